/// Why a text or a number is no valid quantity: a fault of whatever key holds it.
public struct QuantityError: Error, Hashable, Sendable, CustomStringConvertible {
    public let reason: String
    /// What would be right; empty where nobody can say.
    public let suggestion: String
    public init(_ reason: String, suggestion: String = "") { (self.reason, self.suggestion) = (reason, suggestion) }
    /// Both in one sentence.
    public var message: String { suggestion.isEmpty ? reason : "\(reason); \(suggestion)" }
    public var description: String { message }
}

/// One way to write a quantity: `symbol` is worth `factor` base units.
public struct Unit: Sendable {
    public let symbol: String
    public let factor: Double
    public init(_ symbol: String, _ factor: Double) {
        self.symbol = symbol
        self.factor = factor
    }
}

/// A number with a unit, held in one base unit a type (seconds, bytes, bytes a second, dollars, joules, watts).
/// Prefixes are exact: `G` is 10^9 and `Gi` 2^30; bits are written `b` and bytes `B`.
public protocol Quantity: Hashable, Comparable, Sendable, Codable, CustomStringConvertible {
    /// What a message calls it: "a duration", "a bandwidth".
    static var noun: String { get }
    /// Accepted units, the ones used for printing first within each scale.
    static var units: [Unit] { get }
    /// The symbols that printing picks from, ascending.
    static var printed: [Unit] { get }
    /// An example for messages: "2.5 us".
    static var example: String { get }
    var baseValue: Double { get }
    /// - Throws: `QuantityError` when the value is not finite or outside what the type holds.
    init(baseValue: Double) throws(QuantityError)
    /// A requirement, so that a type with its own way of writing (a bare ratio) is read that way in generic code too.
    init(parsing text: String) throws(QuantityError)
}

extension Quantity {
    /// Reads "400 Gb/s", "80GB", "2.5 us". A bare number, an unknown unit and a unit of another kind are errors that say what is right.
    public init(parsing text: String) throws(QuantityError) {
        let (number, symbol) = try splitQuantity(text, noun: Self.noun, example: Self.example)
        guard !symbol.isEmpty else {
            throw QuantityError("\"\(text)\" has no unit", suggestion: "write \(Self.noun) with one, for instance \(Self.example)")
        }
        guard let unit = Self.units.first(where: { $0.symbol == symbol }) else {
            throw Self.unknownUnit(symbol, number: number, text: text)
        }
        try self.init(baseValue: number * unit.factor)
    }

    private static func unknownUnit(_ symbol: String, number: Double, text: String) -> QuantityError {
        let bits = symbol.replacing("b", with: "B")
        let bytes = symbol.replacing("B", with: "b")
        if bits != symbol, units.contains(where: { $0.symbol == bits }) {
            return QuantityError(
                "\"\(text)\" is in bits (b), but \(noun) is in bytes (B)",
                suggestion: "write \(number / 8) \(bits), or \(number) \(bits) if bytes were meant")
        }
        if bytes != symbol, units.contains(where: { $0.symbol == bytes }) {
            return QuantityError(
                "\"\(text)\" is in bytes (B), but \(noun) is in bits (b)", suggestion: "write \(number * 8) \(bytes)")
        }
        if let same = units.first(where: { $0.symbol.lowercased() == symbol.lowercased() }) {
            return QuantityError("unknown unit \"\(symbol)\" in \"\(text)\"", suggestion: "did you mean \"\(same.symbol)\"?")
        }
        return QuantityError(
            "unit \"\(symbol)\" in \"\(text)\" is not \(noun)",
            suggestion: "write for instance \(example) (units: \(units.map(\.symbol).joined(separator: ", ")))")
    }

    public static func < (a: Self, b: Self) -> Bool { a.baseValue < b.baseValue }

    /// Printed with the largest unit that keeps the number at least 1, and at most four significant digits.
    public var description: String {
        let unit = Self.printed.last(where: { abs(baseValue) >= $0.factor * 0.9995 }) ?? Self.printed.first ?? Unit("", 1)
        return "\(significant(baseValue / unit.factor)) \(unit.symbol)"
    }

    public init(from decoder: any Decoder) throws { try self.init(parsing: decoder.singleValueContainer().decode(String.self)) }
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode("\(baseValue) \(Self.units.first { $0.factor == 1 }?.symbol ?? "")")
    }
}

/// Parts a text into its number and what follows. Digits may be grouped by `_`.
func splitQuantity(_ text: String, noun: String, example: String) throws(QuantityError) -> (number: Double, symbol: String) {
    // The Greek letter is what keyboards give for the micro sign.
    let trimmed = text.trimmed.replacing("\u{3BC}", with: "\u{B5}")
    let end = trimmed.indices.first { index in
        let character = trimmed[index]
        if character.isNumber || character == "." || character == "_" || character == "+" || character == "-" { return false }
        if character == "e" || character == "E" {
            let next = trimmed.index(after: index)
            return !(next < trimmed.endIndex && (trimmed[next].isNumber || trimmed[next] == "-" || trimmed[next] == "+"))
        }
        return true
    }
    let digits = trimmed[..<(end ?? trimmed.endIndex)].filter { $0 != "_" }
    guard let number = Double(digits), decimalNumber(digits) != nil || number.isInfinite else {
        throw QuantityError("\"\(text)\" is not \(noun)", suggestion: "write for instance \(example)")
    }
    guard number.isFinite else { throw QuantityError("\"\(text)\" is too large to be \(noun)") }
    return (number, String(trimmed[(end ?? trimmed.endIndex)...]).trimmed)
}

/// A number as people write it, in decimal digits: no hexadecimal ("0x10"), no words ("inf", "nan"); nil for anything else.
public func decimalNumber(_ text: some StringProtocol) -> Double? {
    guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) || "+-.eE".utf8.contains($0) }), let value = Double(text), value.isFinite else {
        return nil
    }
    return value
}

/// At most `digits` significant digits, without an exponent between 1e-4 and 1e15 ("9e-9" below) and without trailing zeros.
public func significant(_ value: Double, digits: Int = 4) -> String {
    guard value.isFinite, value != 0 else { return value == 0 ? "0" : "\(value)" }
    var magnitude = 0
    var scaled = abs(value)
    while scaled >= 10, magnitude < 400 {
        scaled /= 10
        magnitude += 1
    }
    while scaled < 1, magnitude > -400 {
        scaled *= 10
        magnitude -= 1
    }
    guard magnitude >= -4, magnitude < 15 else {
        return "\(value < 0 ? "-" : "")\(fixed(scaled, decimals: max(0, digits - 1), trim: true))e\(magnitude)"
    }
    return fixed(value, decimals: max(0, digits - 1 - magnitude), trim: true)
}

/// `value` with `decimals` digits after the point, rounded half away from zero; `trim` drops trailing zeros.
public func fixed(_ value: Double, decimals: Int, trim: Bool = false) -> String {
    guard value.isFinite, abs(value) < 9e17 else { return "\(value)" }
    var decimals = max(0, min(decimals, 17))
    var power = 1.0
    for _ in 0..<decimals { power *= 10 }
    while abs(value) * power > 9e17, decimals > 0 {
        power /= 10
        decimals -= 1
    }
    let units = Int64((abs(value) * power).rounded())
    let whole = units / Int64(power)
    var fraction = String(units % Int64(power))
    fraction = String(repeating: "0", count: max(0, decimals - fraction.count)) + fraction
    if trim { while fraction.hasSuffix("0") { fraction.removeLast() } }
    let sign = value < 0 && units != 0 ? "-" : ""
    return decimals == 0 || fraction.isEmpty ? "\(sign)\(whole)" : "\(sign)\(whole).\(fraction)"
}

extension String {
    var trimmed: String {
        var view = self[...]
        while let first = view.first, first.isWhitespace { view.removeFirst() }
        while let last = view.last, last.isWhitespace { view.removeLast() }
        return String(view)
    }
}
