package gamedate_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"gamefill/internal/gamedate"
)

// enumerate makes the test binary print what must not depend on the host's zone, instead of running tests.
const enumerate = "GAMEDATE_TEST_ENUMERATE"

func TestMain(m *testing.M) {
	if os.Getenv(enumerate) != "" {
		if err := writeEnumeration(os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// writeEnumeration goes over every change of clocks of three seasons, and over each hour around them.
func writeEnumeration(w io.Writer) error {
	r, err := gamedate.ParseRange("2021-10-01", "2024-05-01")
	if err != nil {
		return err
	}
	for d := range r.Dates() {
		fmt.Fprintln(w, d, d.Time().Unix(), d.AddDays(1), d.Season())
	}
	for _, day := range []string{"2022-03-13", "2022-11-06", "2023-03-12", "2023-11-05", "2024-03-10"} {
		start := gamedate.MustParse(day).Time().Add(-24 * time.Hour)
		for h := range 72 {
			at := start.Add(time.Duration(h) * time.Hour)
			stamped, err := gamedate.ParseStamp(at.Local().Format(time.RFC3339Nano))
			if err != nil {
				return err
			}
			if at.Hour() != 0 { // midnight in a host zone of UTC is a date, not an instant
				fmt.Fprintln(w, at.Unix(), gamedate.Of(at.Local()), stamped)
			}
		}
	}
	return nil
}

func TestHostZoneDoesNotShow(t *testing.T) {
	t.Parallel()
	var want strings.Builder
	if err := writeEnumeration(&want); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Count(want.String(), "\n"), 944+5*69; got != want {
		t.Fatalf("lines: got %d, want %d", got, want)
	}
	for _, zone := range []string{"UTC", "America/New_York", "America/Los_Angeles", "Asia/Kolkata", "Pacific/Apia"} {
		t.Run(zone, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), "TZ="+zone, enumerate+"=1")
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			if string(out) != want.String() {
				t.Errorf("dates differ from those of this process")
			}
		})
	}
}
