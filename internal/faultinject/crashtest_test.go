//go:build crashtest

package faultinject

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// passVariable makes the test binary pass a point several times and say so, instead of running tests.
const passVariable = "FAULTINJECT_TEST_PASS"

func TestMain(m *testing.M) {
	if name := os.Getenv(passVariable); name != "" {
		for i := range 3 {
			Point(name)
			fmt.Println("passed", i+1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// pass runs this binary with the given plan, passing point three times.
func pass(t *testing.T, plan, point string) (stdout, stderr string, err error) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), Variable+"="+plan, passVariable+"="+point)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

func TestEveryPointKills(t *testing.T) {
	t.Parallel()
	for _, point := range Points() {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			out, _, err := pass(t, point+":2", point)
			exit, ok := errors.AsType[*exec.ExitError](err)
			if !ok {
				t.Fatalf("got %v, want a killed process", err)
			}
			if status := exit.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGKILL {
				t.Errorf("got %v, want SIGKILL", exit)
			}
			if want := "passed 1\n"; out != want {
				t.Errorf("output: got %q, want %q", out, want)
			}
		})
	}
}

func TestOtherPointsDoNotKill(t *testing.T) {
	t.Parallel()
	for _, plan := range []string{"", Claimed, AfterWrite + ":4"} {
		out, errs, err := pass(t, plan, AfterWrite)
		if err != nil || out != "passed 1\npassed 2\npassed 3\n" {
			t.Errorf("plan %q: got %v, output %q%q", plan, err, out, errs)
		}
	}
}

func TestUnknownPointsAreLoud(t *testing.T) {
	t.Parallel()
	out, errs, err := pass(t, "before_brunch", Claimed)
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || exit.ExitCode() != 2 || out != "" || !strings.Contains(errs, "before_brunch") {
		t.Errorf("unknown name in the plan: got %v, output %q, errors %q", err, out, errs)
	}
	_, errs, err = pass(t, "", "before_brunch")
	if err == nil || !strings.Contains(errs, "unknown crash point before_brunch") {
		t.Errorf("unknown name in the code: got %v, errors %q", err, errs)
	}
}
