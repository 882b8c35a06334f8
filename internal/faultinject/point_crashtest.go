//go:build crashtest

package faultinject

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"syscall"
)

var (
	plan   = mustPlan(os.Getenv(Variable))
	mu     sync.Mutex         // guards passes
	passes = map[string]int{} // how often each point was passed
)

func mustPlan(text string) map[string][]int {
	p, err := parsePlan(text)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	return p
}

// Point kills the process with SIGKILL if [Variable] names this point and this pass of it. A name that is not in
// [Points] panics: it is a mistake of the caller.
func Point(name string) {
	if !slices.Contains(Points(), name) {
		panic("faultinject: unknown crash point " + name)
	}
	mu.Lock()
	defer mu.Unlock()
	passes[name]++
	if slices.Contains(plan[name], passes[name]) {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // cannot fail for the own process
		select {}                                      // the signal is on its way; nobody passes meanwhile
	}
}
