import Foundation
import Quantities

/// A key with the values it goes through, or the range it is sampled from.
public struct SweepAxis: Sendable {
    public var key: String
    public var values: [String]
    /// Written `lo..hi`, in place of values.
    public var range: SweepRange?

    public init(key: String, values: [String]) { (self.key, self.values) = (key, values) }

    /// Reads `key=v1,v2`; commas within brackets, braces and quotes belong to a value.
    /// - Parameter option: what the caller calls it, for messages.
    /// - Throws: `Fault` where the text names no values, or a range of no numbers.
    public init(_ text: String, option: String = "--vary") throws(Fault) {
        guard let equals = text.firstIndex(of: "="), equals > text.startIndex else {
            throw Fault(keyPath: option, reason: "\"\(text)\" names no values", suggestion: "write for instance layout.tensor=1,2,4")
        }
        key = String(text[..<equals])
        range = try SweepRange(key: key, text: String(text[text.index(after: equals)...]))
        values = [""]
        if range != nil {
            values = []
            return
        }
        var depth = 0
        var quote: Character?
        for character in text[text.index(after: equals)...] {
            if let open = quote {
                if character == open { quote = nil }
            } else if character == "\"" || character == "'" {
                quote = character
            } else if character == "[" || character == "{" {
                depth += 1
            } else if character == "]" || character == "}" {
                depth -= 1
            } else if character == ",", depth == 0 {
                values.append("")
                continue
            }
            values[values.count - 1].append(character)
        }
        guard !values.contains("") else {
            throw Fault(keyPath: option, reason: "\(key) has an empty value", suggestion: "write for instance \(key)=1,2,4")
        }
    }
}

extension SweepAxis {
    /// The value at a place of 0..<1: within the range, or one of the values, each with the same share.
    func value(at place: Double) -> String {
        if let range { return range.value(at: place) }
        return values[min(values.count - 1, max(0, Int(place * Double(values.count))))]
    }
}

/// `lo..hi`, with a unit behind the upper end or both, and `log` before them for equal shares of each factor.
public struct SweepRange: Sendable {
    private var low: Double
    private var high: Double
    private var unit: String
    private var isLogarithmic: Bool
    /// Both ends are whole numbers without a unit, and so is what lies between.
    private var isWhole: Bool

    /// nil where the text is no range.
    /// - Throws: `Fault` where it is a range of no numbers.
    init?(key: String, text: String) throws(Fault) {
        var words = text.trimmingPrefix { $0 == " " }
        isLogarithmic = words.hasPrefix("log ")
        if isLogarithmic { words = words.dropFirst(4) }
        guard let dots = words.firstRange(of: "..") else { return nil }
        func split(_ part: Substring) -> (number: Double, unit: String, isWhole: Bool)? {
            let part = part.trimmingPrefix { $0 == " " }
            let digits = part.prefix { $0.isNumber || $0 == "." || $0 == "-" || $0 == "+" }
            guard let number = decimalNumber(digits) else { return nil }
            var unit = part.dropFirst(digits.count)
            while unit.last == " " { unit.removeLast() }
            return (number, String(unit), Int(digits) != nil)
        }
        guard let first = split(words[..<dots.lowerBound]), let last = split(words[dots.upperBound...]) else {
            throw Fault(
                keyPath: "--vary", reason: "\(key)=\(text) is no range",
                suggestion: "write for instance \(key)=1..8 or \(key)=log 100..400 Gb/s")
        }
        guard first.unit.isEmpty || first.unit == last.unit else {
            throw Fault(
                keyPath: "--vary", reason: "the ends of \(key)=\(text) have different units",
                suggestion: "write both in \(last.unit.isEmpty ? first.unit : last.unit)")
        }
        guard first.number < last.number else {
            throw Fault(keyPath: "--vary", reason: "\(key)=\(text) is empty", suggestion: "write the lower end first")
        }
        guard !isLogarithmic || first.number > 0 else {
            throw Fault(
                keyPath: "--vary", reason: "\(key)=\(text) cannot be logarithmic from \(first.number)", suggestion: "begin above zero")
        }
        (low, high, unit) = (first.number, last.number, last.unit)
        isWhole = first.isWhole && last.isWhole && last.unit.isEmpty
    }

    func value(at place: Double) -> String {
        if isWhole {
            let (first, last) = (low - 0.5, high + 0.5)
            let value = isLogarithmic ? max(first, 0.5) * pow(last / max(first, 0.5), place) : first + place * (last - first)
            return "\(Int(min(high, max(low, value.rounded()))))"
        }
        let value = isLogarithmic ? low * pow(high / low, place) : low + place * (high - low)
        let digits = significant(value, digits: 10)
        return unit.isEmpty ? digits : unit == "%" ? digits + unit : "\(digits) \(unit)"
    }
}
