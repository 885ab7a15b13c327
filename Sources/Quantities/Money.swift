/// US dollars in whole millionths, so that bills add up exactly.
public struct Money: Quantity {
    public let microdollars: Int64
    public static let zero = Money(microdollars: 0)
    public init(microdollars: Int64) { self.microdollars = microdollars }
    public init(baseValue: Double) throws(QuantityError) {
        guard baseValue.isFinite, abs(baseValue) < 9.2e12 else {
            throw QuantityError("\(baseValue) USD is not an amount that can be billed")
        }
        microdollars = Int64((baseValue * 1e6).rounded())
    }
    public var baseValue: Double { dollars }
    public var dollars: Double { Double(microdollars) * 1e-6 }

    /// - Throws: `QuantityError` on overflow.
    public static func + (a: Money, b: Money) throws(QuantityError) -> Money {
        let (sum, overflow) = a.microdollars.addingReportingOverflow(b.microdollars)
        guard !overflow else { throw QuantityError("the sum of \(a) and \(b) is more than can be billed") }
        return Money(microdollars: sum)
    }
    public static let noun = "an amount of money"
    public static let example = "2.00 USD"
    public static let units = [
        Unit("USD", 1), Unit("kUSD", 1e3), Unit("MUSD", 1e6), Unit("k USD", 1e3), Unit("M USD", 1e6), Unit("B USD", 1e9),
    ]
    public static let printed = [Unit("USD", 1), Unit("kUSD", 1e3), Unit("MUSD", 1e6)]
}

/// Dollars an hour of one device.
public struct HourlyPrice: Quantity {
    public let dollarsPerHour: Double
    public init(baseValue: Double) throws(QuantityError) { dollarsPerHour = try nonNegative(baseValue, Self.noun, "USD/h") }
    public var baseValue: Double { dollarsPerHour }
    public static let noun = "a price per hour"
    public static let example = "2.00 USD/h"
    public static let units = [Unit("USD/h", 1)]
    public static let printed = units
}

/// Dollars a kilowatt-hour.
public struct EnergyPrice: Quantity {
    public let dollarsPerKilowattHour: Double
    public init(baseValue: Double) throws(QuantityError) { dollarsPerKilowattHour = try nonNegative(baseValue, Self.noun, "USD/kWh") }
    public var baseValue: Double { dollarsPerKilowattHour }
    public static let noun = "a price of energy"
    public static let example = "0.08 USD/kWh"
    public static let units = [Unit("USD/kWh", 1), Unit("USD/MWh", 1e-3)]
    public static let printed = [Unit("USD/kWh", 1)]
}

/// Kilograms of CO2 equivalent a kilowatt-hour.
public struct CarbonIntensity: Quantity {
    public let kilogramsPerKilowattHour: Double
    public init(baseValue: Double) throws(QuantityError) { kilogramsPerKilowattHour = try nonNegative(baseValue, Self.noun, "kg/kWh") }
    public var baseValue: Double { kilogramsPerKilowattHour }
    public static let noun = "a carbon intensity"
    public static let example = "0.35 kg/kWh"
    public static let units = [Unit("kg/kWh", 1), Unit("g/kWh", 1e-3)]
    public static let printed = [Unit("kg/kWh", 1)]
}

/// Dollars for keeping a terabyte (10^12 bytes) for a month.
public struct StoragePrice: Quantity {
    public let dollarsPerTerabyteMonth: Double
    public init(baseValue: Double) throws(QuantityError) { dollarsPerTerabyteMonth = try nonNegative(baseValue, Self.noun, "USD/TB/month") }
    public var baseValue: Double { dollarsPerTerabyteMonth }
    public static let noun = "a price of storage"
    public static let example = "20 USD/TB/month"
    public static let units = [Unit("USD/TB/month", 1), Unit("USD/GB/month", 1e3)]
    public static let printed = [Unit("USD/TB/month", 1)]
}
