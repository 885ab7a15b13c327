import Glibc

/// base^exponent.
func power(_ base: Double, _ exponent: Double) -> Double { pow(base, exponent) }
/// Natural logarithm, for modules without Foundation.
func logarithm(_ x: Double) -> Double { log(x) }
