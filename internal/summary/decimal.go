package summary

import "math/bits"

// ratio is num/den with den > 0: the exact form of every derived number until its one rounding.
// A ratio with den 0 is unknown and becomes NULL.
type ratio struct{ num, den int64 }

func (r ratio) known() bool { return r.den > 0 }

// scaled is the ratio times 10^scale, rounded half away from zero, as the unscaled integer of a decimal. Results above
// limit saturate at it, so that a corrupt input cannot overflow a column. It needs num >= 0 and does no floating point.
func (r ratio) scaled(scale int, limit int64) int64 {
	unit := uint64(1)
	for range scale {
		unit *= 10
	}
	hi, lo := bits.Mul64(uint64(r.num), 2*unit)
	lo, carry := bits.Add64(lo, uint64(r.den), 0)
	hi += carry
	if hi >= 2*uint64(r.den) {
		return limit
	}
	q, _ := bits.Div64(hi, lo, 2*uint64(r.den))
	if q > uint64(limit) {
		return limit
	}
	return int64(q)
}

// atMost reports whether the exact ratio is at most n, for 0 <= n.
func (r ratio) atMost(n int64) bool {
	hi, lo := bits.Mul64(uint64(n), uint64(r.den))
	return hi > 0 || uint64(r.num) <= lo
}
