package setup_test

import (
	"testing"

	"gamefill/internal/setup"
)

func TestWanting(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name                string
		f                   setup.Finding
		make, dryRun, check bool
	}{
		{"present", setup.Finding{State: setup.Present}, false, false, false},
		{"created", setup.Finding{State: setup.Created}, false, false, false},
		{"unknown, with advice", setup.Finding{State: setup.Unknown, Advice: "ask"}, false, false, false},
		{"missing, to be made", setup.Finding{State: setup.Missing, Makeable: true}, false, false, true},
		{"missing, for a person", setup.Finding{State: setup.Missing}, true, true, true},
		{"differs, to be mended", setup.Finding{State: setup.Differs, Makeable: true}, false, false, true},
		{"differs, for a person", setup.Finding{State: setup.Differs}, true, true, true},
		{"forbidden", setup.Finding{State: setup.Forbidden}, true, true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for mode, want := range map[setup.Mode]bool{setup.Make: tt.make, setup.DryRun: tt.dryRun, setup.Check: tt.check} {
				if got := tt.f.Wanting(mode); got != want {
					t.Errorf("mode %d: got %v, want %v", mode, got, want)
				}
			}
		})
	}
}
