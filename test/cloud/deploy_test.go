package cloud_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"gamefill/test/league"
	"gamefill/test/program"
)

// TestDeployPage runs the publisher's commands of docs/deploy.md in order, those of the job after them, with a worker
// that has the pool's arguments and settings wherever the page leaves the dates to the pool. `publisher init` stands in
// for Terraform.
func TestDeployPage(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("plans the whole range several times")
	}
	page := program.Read(t, "docs/deploy.md")
	var commands [][]string
	for _, m := range regexp.MustCompile(`(?m)^bin/publisher ([^#\n]*)`).FindAllStringSubmatch(page, -1) {
		var words []string
		for _, word := range regexp.MustCompile(`"[^"]*"|\S+`).FindAllString(m[1], -1) {
			words = append(words, strings.Trim(word, `"`))
		}
		commands = append(commands, words)
	}
	for _, m := range regexp.MustCompile(`(?m)^gcloud run jobs execute .* --args=(\S+)$`).FindAllStringSubmatch(page, -1) {
		commands = append(commands, strings.Split(m[1], ","))
	}
	games, l := imported(t, league.Options{Dates: 20})
	p := newProject(t)
	p.scrape(games)
	p.Publish(t, 0, "init")
	args, settings := pool(t)
	p.Env = append(p.Env, settings...)
	ran := map[string]int{}
	for _, command := range commands {
		ran[command[0]]++
		switch {
		case command[0] == "status":
			continue // would watch a run that nobody has closed yet; below
		case command[0] == "validate":
			p.Publish(t, 0, append(command, "--allow-warnings")...) // the league has less than the runbook's active players
			p.Publish(t, 0, "status", "--watch")                    // closed: it looks once
			continue
		}
		p.Publish(t, 0, command...)
		if command[0] == "publish" || slices.Contains(command, "--detach") {
			if r := p.Run(t, "", program.Worker, append(args, "--drain")...); r.Code != 0 {
				t.Fatalf("worker after publisher %v: got %v\nwant exit code 0", command, r)
			}
		}
	}
	for _, name := range []string{"init", "plan", "sample", "publish", "status", "validate"} {
		if ran[name] == 0 {
			t.Errorf("docs/deploy.md has no command publisher %s", name)
		}
	}
	p.endsLike(games, l)
}
