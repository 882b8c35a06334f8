// Package archtest checks the import graph of the module: which package may know which, what is linked into the
// binaries, that every package says what it is for, and that lines are short. The rules are in [Rules]; the test runs
// them on the real graph, and each of them on a small graph that breaks it.
package archtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Module is the path of this module.
const Module = "gamefill"

// Package is one node of the graph. Imports are those of its ordinary files; what tests import is free.
type Package struct {
	ImportPath string
	Dir        string
	Doc        string // first sentence of the package comment
	Standard   bool
	Imports    []string

	TestGoFiles, XTestGoFiles []string
}

// Rel is the path within the module, "" for packages of others and for the module's root.
func (p *Package) Rel() string {
	rel, _ := strings.CutPrefix(p.ImportPath, Module+"/")
	if rel == p.ImportPath {
		return ""
	}
	return rel
}

// Graph maps import paths to packages: those of the module and everything they need.
type Graph map[string]*Package

// Load asks the go command for the graph of the module in dir. Packages that do not compile are in it as far as they
// can be read.
func Load(dir string) (Graph, error) {
	cmd := exec.Command("go", "list", "-e", "-deps",
		"-json=ImportPath,Dir,Doc,Standard,Imports,TestGoFiles,XTestGoFiles", "./...")
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return nil, fmt.Errorf("list packages of %s: %w", dir, err)
	}
	g := Graph{}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		p := &Package{}
		switch err := d.Decode(p); {
		case err == io.EOF && len(g.own()) == 0:
			return nil, fmt.Errorf("list packages of %s: none of module %s", dir, Module)
		case err == io.EOF:
			return g, nil
		case err != nil:
			return nil, fmt.Errorf("list packages of %s: %w", dir, err)
		}
		if p.Doc == "" && p.Rel() != "" {
			if p.Doc, err = docOfTests(p); err != nil {
				return nil, err
			}
		}
		g[p.ImportPath] = p
	}
}

// docOfTests finds the comment of a package whose only files are tests; the go command does not look there.
func docOfTests(p *Package) (string, error) {
	for _, name := range slices.Concat(p.TestGoFiles, p.XTestGoFiles) {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil,
			parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			return "", fmt.Errorf("package %s: %w", p.ImportPath, err)
		}
		if file.Doc != nil {
			return file.Doc.Text(), nil
		}
	}
	return "", nil
}

// own returns the module's packages, sorted by path.
func (g Graph) own() []*Package {
	var own []*Package
	for _, p := range g {
		if p.Rel() != "" {
			own = append(own, p)
		}
	}
	slices.SortFunc(own, func(a, b *Package) int { return strings.Compare(a.ImportPath, b.ImportPath) })
	return own
}

// reach calls visit for every package that from imports, directly or not, with the shortest chain that leads there; the
// chain begins with from.
func (g Graph) reach(from *Package, visit func(chain []string)) {
	seen := map[string]bool{from.ImportPath: true}
	for queue := [][]string{{from.ImportPath}}; len(queue) > 0; queue = queue[1:] {
		chain := queue[0]
		if len(chain) > 1 {
			visit(chain)
		}
		p := g[chain[len(chain)-1]]
		if p == nil {
			continue
		}
		for _, imported := range p.Imports {
			if !seen[imported] {
				seen[imported] = true
				queue = append(queue, append(slices.Clone(chain), imported))
			}
		}
	}
}
