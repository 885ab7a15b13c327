/// An amount of memory or of traffic, in whole bytes.
public struct Bytes: Quantity {
    public let count: Int64
    public static let zero = Bytes(0)
    public init(_ count: Int64) { self.count = count }
    public init(baseValue: Double) throws(QuantityError) {
        guard baseValue >= 0 else { throw QuantityError("\(baseValue) bytes: an amount of bytes must be zero or more") }
        guard baseValue < 9.2e18 else { throw QuantityError("\(baseValue) bytes is more than can be counted (9.2 EB)") }
        count = Int64(baseValue.rounded())
    }
    public var baseValue: Double { Double(count) }
    public static func < (a: Bytes, b: Bytes) -> Bool { a.count < b.count }

    /// - Throws: `QuantityError` on overflow.
    public static func + (a: Bytes, b: Bytes) throws(QuantityError) -> Bytes {
        let (sum, overflow) = a.count.addingReportingOverflow(b.count)
        guard !overflow else { throw QuantityError("the sum of \(a) and \(b) is more than can be counted") }
        return Bytes(sum)
    }
    public static let noun = "an amount of bytes"
    public static let example = "80 GB"
    public static let units = scaled("B", binary: true)
    public static let printed = scaled("B", binary: false)
}

/// Bytes a second. Written in bits ("400 Gb/s") or bytes ("50 GB/s"); held in bytes.
public struct Bandwidth: Quantity {
    public let bytesPerSecond: Double
    public init(baseValue: Double) throws(QuantityError) {
        bytesPerSecond = try positive(baseValue, Self.noun, "B/s")
    }
    public var baseValue: Double { bytesPerSecond }
    public var bitsPerSecond: Double { bytesPerSecond * 8 }
    public static let noun = "a bandwidth"
    public static let example = "400 Gb/s"
    public static let units =
        scaled("B/s", binary: true) + scaled("b/s", binary: true).map { Unit($0.symbol, $0.factor / 8) }
        + scaled("bps", binary: false).map { Unit($0.symbol, $0.factor / 8) }
    public static let printed = scaled("B/s", binary: false)
}

/// Floating-point operations; a multiply-add counts as two.
public struct FLOPs: Quantity {
    public let count: Double
    public init(baseValue: Double) throws(QuantityError) { count = try nonNegative(baseValue, Self.noun, "FLOP") }
    public var baseValue: Double { count }
    public static let noun = "a number of floating-point operations"
    public static let example = "6 TFLOP"
    public static let units = scaled("FLOP", binary: false) + [Unit("EFLOP", 1e18), Unit("ZFLOP", 1e21), Unit("YFLOP", 1e24)]
    public static let printed = units
}

/// Floating-point operations a second.
public struct ComputeRate: Quantity {
    public let flopsPerSecond: Double
    public init(baseValue: Double) throws(QuantityError) { flopsPerSecond = try positive(baseValue, Self.noun, "FLOP/s") }
    public var baseValue: Double { flopsPerSecond }
    public static let noun = "a compute rate"
    public static let example = "989 TFLOP/s"
    public static let units = scaled("FLOP/s", binary: false)
    public static let printed = units
}

/// Watts.
public struct Power: Quantity {
    public let watts: Double
    public init(baseValue: Double) throws(QuantityError) { watts = try nonNegative(baseValue, Self.noun, "W") }
    public var baseValue: Double { watts }
    public static let noun = "a power"
    public static let example = "0.7 kW"
    public static let units = [Unit("W", 1), Unit("kW", 1e3), Unit("MW", 1e6), Unit("GW", 1e9)]
    public static let printed = units
}

/// Joules.
public struct Energy: Quantity {
    public let joules: Double
    public init(baseValue: Double) throws(QuantityError) { joules = try nonNegative(baseValue, Self.noun, "J") }
    public var baseValue: Double { joules }
    public var kilowattHours: Double { joules / 3.6e6 }
    public static let noun = "an energy"
    public static let example = "12 kWh"
    public static let units = [
        Unit("J", 1), Unit("kJ", 1e3), Unit("MJ", 1e6), Unit("Wh", 3600), Unit("kWh", 3.6e6), Unit("MWh", 3.6e9), Unit("GWh", 3.6e12),
    ]
    public static let printed = [Unit("J", 1), Unit("kJ", 1e3), Unit("kWh", 3.6e6), Unit("MWh", 3.6e9), Unit("GWh", 3.6e12)]
}

/// A pure number, written plainly ("0.05") or in per cent ("5%").
public struct Ratio: Quantity {
    public let value: Double
    public init(baseValue: Double) throws(QuantityError) {
        guard baseValue.isFinite else { throw QuantityError("\(baseValue) is not a number") }
        value = baseValue
    }
    public init(parsing text: String) throws(QuantityError) {
        let (number, symbol) = try splitQuantity(text, noun: Self.noun, example: Self.example)
        guard symbol.isEmpty || symbol == "%" else {
            throw QuantityError("unit \"\(symbol)\" in \"\(text)\" is not \(Self.noun)", suggestion: "write for instance \(Self.example)")
        }
        try self.init(baseValue: symbol == "%" ? number / 100 : number)
    }
    public var baseValue: Double { value }
    public static let noun = "a ratio"
    public static let example = "5%"
    public static let units = [Unit("", 1), Unit("%", 0.01)]
    public static let printed = [Unit("", 1)]
}

/// A plain count that may be written with a decimal prefix: "15.6T" tokens.
public struct Count: Quantity {
    public let value: Int64
    public init(baseValue: Double) throws(QuantityError) {
        guard baseValue >= 0, baseValue < 9.2e18 else { throw QuantityError("\(baseValue) is not a count between 0 and 9.2e18") }
        value = Int64(baseValue.rounded())
    }
    public init(parsing text: String) throws(QuantityError) {
        let (number, symbol) = try splitQuantity(text, noun: Self.noun, example: Self.example)
        guard let unit = Self.units.first(where: { $0.symbol == symbol }) else {
            throw QuantityError("unit \"\(symbol)\" in \"\(text)\" is not \(Self.noun)", suggestion: "write for instance \(Self.example)")
        }
        let whole = (number * unit.factor).rounded()
        // Decimal fractions of a prefix land beside the whole number that they mean by the rounding of their digits alone.
        guard abs(number * unit.factor - whole) <= 1e-6 + abs(whole) * 1e-15 else {
            throw QuantityError(
                "\"\(text)\" is \(number * unit.factor), and a count is whole",
                suggestion: "write for instance \(significant(whole, digits: 15))")
        }
        try self.init(baseValue: whole)
    }
    public var baseValue: Double { Double(value) }
    public static let noun = "a count"
    public static let example = "15.6T"
    public static let units = [
        Unit("", 1), Unit("k", 1e3), Unit("M", 1e6), Unit("G", 1e9), Unit("B", 1e9), Unit("T", 1e12), Unit("P", 1e15),
    ]
    public static let printed = [Unit("", 1), Unit("k", 1e3), Unit("M", 1e6), Unit("B", 1e9), Unit("T", 1e12), Unit("P", 1e15)]
}

func scaled(_ base: String, binary: Bool) -> [Unit] {
    let decimal = [
        Unit(base, 1), Unit("k" + base, 1e3), Unit("M" + base, 1e6), Unit("G" + base, 1e9), Unit("T" + base, 1e12), Unit("P" + base, 1e15),
    ]
    guard binary else { return decimal }
    let powers = ["Ki", "Mi", "Gi", "Ti", "Pi"].enumerated().map { Unit($1 + base, Double(Int64(1) << Int64(10 * ($0 + 1)))) }
    return decimal + [Unit("K" + base, 1e3)] + powers
}

func nonNegative(_ value: Double, _ noun: String, _ unit: String) throws(QuantityError) -> Double {
    guard value.isFinite, value >= 0 else {
        throw QuantityError("\(value) \(unit) is not \(noun): it must be a finite number, zero or more")
    }
    return value
}

func positive(_ value: Double, _ noun: String, _ unit: String) throws(QuantityError) -> Double {
    guard value.isFinite, value > 0 else { throw QuantityError("\(value) \(unit) is not \(noun): it must be a finite number above zero") }
    return value
}
