package main

import (
	"fmt"
	"os"
)

type completionCommand struct {
	Shell string `arg:"" help:"bash, zsh or fish." enum:"bash,zsh,fish"`
}

func (*completionCommand) Help() string {
	return `Prints what makes the shell complete commands, flags and files. Put the line that fits into the shell's start-up file:

  bash: eval "$(publisher completion bash)"
  zsh:  eval "$(publisher completion zsh)"
  fish: publisher completion fish | source`
}

// completions are what each shell has to be told: it asks the program itself, through COMP_LINE.
var completions = map[string]string{
	"bash": "complete -C %[1]q publisher\n",
	"zsh":  "autoload -U +X bashcompinit && bashcompinit\ncomplete -C %[1]q publisher\n",
	"fish": `function __complete_publisher
    set -lx COMP_LINE (commandline -cp)
    test -z (commandline -ct)
    and set COMP_LINE "$COMP_LINE "
    %[1]q
end
complete -f -c publisher -a "(__complete_publisher)"
`,
}

func (c *completionCommand) Run(e *environment) error {
	path, err := os.Executable()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.out, completions[c.Shell], path)
	return err
}
