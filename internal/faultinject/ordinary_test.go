//go:build !crashtest

package faultinject

import (
	"strings"
	"testing"
)

func TestPointDoesNothingInOrdinaryBuilds(t *testing.T) {
	t.Setenv(Variable, strings.Join(Points(), ","))
	for _, p := range Points() {
		Point(p) // a crash here would end the test binary
	}
}
