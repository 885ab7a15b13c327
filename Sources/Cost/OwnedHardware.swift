import Quantities

/// Machines that are bought: what an hour of one GPU costs over its life, electricity apart.
///
/// Capital is written off evenly: price x platform x (1 - residual) over the years; space is rented by the kilowatt; people cost a share of the price a
/// year. All of it is spread over the hours in which the GPU is used.
public struct OwnedHardware: Sendable, Hashable {
    /// Of one GPU.
    public var price: Money
    /// Price of node, network and storage share together with the GPU, over the GPU's.
    public var platform = 1.5
    /// Until the machines are sold or scrapped.
    public var years = 5.0
    /// Share of the price that they bring then.
    public var residual = 0.1
    /// Of a kilowatt of machine power for a month, without electricity.
    public var space: Money
    /// Of the price a year: operation, spare parts, support.
    public var staff = 0.05
    /// Share of the hours in which the GPU is used.
    public var utilization = 0.9
    /// Power of a GPU and its share of the host.
    public var kilowatts = 1.0

    public init(price: Money) {
        self.price = price
        // Colocation, 2024: 100 to 200 USD a kilowatt and month with electricity (recalled); about half is the space.
        space = Money(microdollars: 80_000_000)
    }

    /// What a price is taken as where only a rent is known: 30,000 USD over 2.99 USD/h.
    public static let hoursOfRent = 10_000
    static let hoursPerYear = 8766.0

    /// - Throws: `Fault` for years or a utilization of zero.
    public func hourly() throws(Fault) -> HourlyPrice {
        guard years > 0, utilization > 0 else {
            throw Fault(
                keyPath: "prices.owned", reason: "machines that are used for no time cost without end", suggestion: "write years: 5")
        }
        let whole = price.dollars * platform
        let capital = whole * (1 - residual) / (years * Self.hoursPerYear)
        let rooms = space.dollars * kilowatts * 12 / Self.hoursPerYear
        let people = whole * staff / Self.hoursPerYear
        do { return try HourlyPrice(baseValue: (capital + rooms + people) / utilization) } catch {
            throw Fault(keyPath: "prices.owned", reason: error.message)
        }
    }
}
