import Glibc

/// Natural logarithm, for modules without Foundation.
func logarithm(_ x: Double) -> Double { log(x) }
