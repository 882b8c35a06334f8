package archtest_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gamefill/internal/archtest"
)

func TestLinesAreShort(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	seen := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if strings.HasPrefix(d.Name(), ".") && rel != "." || d.Name() == "testdata" {
				return fs.SkipDir
			}
			return nil
		}
		if filepath.Ext(path) != ".go" {
			return nil
		}
		seen++
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, line := range archtest.LongLines(src) {
			t.Errorf("%s:%d: longer than %d characters", rel, line, archtest.MaxLine)
		}
		return nil
	})
	if err != nil || seen < 100 {
		t.Errorf("got %d files, %v, want the module's", seen, err)
	}
}

func TestLongLines(t *testing.T) {
	t.Parallel()
	fill := func(n int) string { return strings.Repeat("x", n) }
	src := strings.Join([]string{
		"package p", // 1
		"",
		"// " + fill(117),
		"// " + fill(118), // 4
		"// " + strings.Repeat("é", 117),
		"type T struct {",
		"\tF string `json:\"" + fill(120) + "\"`",
		"}",
		"const s = `" + fill(120),
		fill(121),
		fill(120) + "`",
		"const q = \"" + fill(120) + "\"", // 12
		"",
		"func f() { _ = " + fill(105) + " }", // 14
	}, "\n")
	if got, want := archtest.LongLines([]byte(src)), []int{4, 12, 14}; !slices.Equal(got, want) {
		t.Errorf("got lines %v, want %v", got, want)
	}
}
