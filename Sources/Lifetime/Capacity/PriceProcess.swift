import Engine

#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

/// The price of spot nodes in one sample, over the base price: constant between its changes.
struct PriceProcess {
    private(set) var price = 1.0
    /// When it changes next.
    private(set) var time = Double.infinity
    private var draws: RandomStream
    private let plan: PricePlan
    private var position = 0
    /// Deviation of the logarithm from its mean.
    private var deviation = 0.0

    /// A spot price that moves does so by the hour.
    private static let hour = 3600.0

    init(_ plan: PricePlan, key: UInt64) {
        self.plan = plan
        draws = RandomStream(seed: key, purpose: "price")
        switch plan {
        case .constant: break
        case .reverting(let mean, let volatility, let reversion):
            // Stationary from the start: variance sigma^2 / (2 kappa).
            deviation = reversion > 0 ? volatility / (2 * reversion).squareRoot() * draws.normal() : 0
            price = mean * exp(deviation)
            time = Self.hour
        case .trace(let times, let prices):
            price = prices.first ?? 1
            time = times.count > 1 ? times[1] : .infinity
        }
    }

    mutating func advance() {
        switch plan {
        case .constant: time = .infinity
        case .reverting(let mean, let volatility, let reversion):
            let step = Self.hour / 86_400
            let keep = exp(-reversion * step)
            let spread = reversion > 0 ? ((1 - keep * keep) / (2 * reversion)).squareRoot() : step.squareRoot()
            deviation = deviation * keep + volatility * spread * draws.normal()
            price = mean * exp(deviation)
            time += Self.hour
        case .trace(let times, let prices):
            position += 1
            price = position < prices.count ? prices[position] : price
            time = position + 1 < times.count ? times[position + 1] : .infinity
        }
    }
}
