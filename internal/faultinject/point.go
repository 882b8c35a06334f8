//go:build !crashtest

package faultinject

// Point does nothing in this build; see the package comment.
func Point(string) {}
