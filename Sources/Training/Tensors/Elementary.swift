#if canImport(Glibc)
    import Glibc
#else
    import Foundation
#endif

/// base to a real power.
func exponential(_ exponent: Double, of base: Double) -> Double { pow(base, exponent) }
func naturalExponential(_ x: Double) -> Double { exp(x) }
/// Of the system's library, for modules that do without Foundation.
public func naturalLogarithm(_ x: Double) -> Double { log(x) }
func cosine(_ x: Double) -> Double { cos(x) }
