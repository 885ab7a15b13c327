/// A JSON document whose keys keep their order. Equal values give equal bytes: numbers are written with the fewest digits that read back
/// as the same `Double`, and a number that JSON cannot hold (infinite, undefined) is `null`.
public enum JSONValue: Sendable {
    case null
    case bool(Bool)
    case integer(Int)
    case unsigned(UInt64)
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([(key: String, value: JSONValue)])

    public enum Layout: Sendable {
        /// One key a line; lists of plain values, and objects of plain values inside a list, stand on one line.
        case indented
        case compact
        /// Compact, and safe inside a `<script>` element.
        case embedded
    }

    /// A number, or `null` where there is none.
    public static func optional(_ value: Double?) -> JSONValue { value.map { .number($0) } ?? .null }
    /// A text, or `null` where there is none.
    public static func optional(_ value: String?) -> JSONValue { value.map { .string($0) } ?? .null }

    /// The document as text, without a final newline.
    public func text(_ layout: Layout = .indented) -> String {
        var writer = JSONWriter(layout: layout)
        writer.write(self, depth: 0)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    public var isPlain: Bool {
        switch self {
        case .array, .object: false
        default: true
        }
    }
}

/// Appends JSON to a buffer of UTF-8.
public struct JSONWriter: Sendable {
    public var bytes: [UInt8] = []
    let layout: JSONValue.Layout
    public init(layout: JSONValue.Layout) { self.layout = layout }

    public mutating func write(_ value: JSONValue, depth: Int, inList: Bool = false) {
        switch value {
        case .null: append("null")
        case .bool(let flag): append(flag ? "true" : "false")
        case .integer(let number): append(String(number))
        case .unsigned(let number): append(String(number))
        case .number(let number): append(jsonNumber(number))
        case .string(let text): append(quoted: text)
        case .array(let items):
            let lines = layout == .indented && !items.isEmpty && !items.allSatisfy(\.isPlain)
            list("[", "]", count: items.count, lines: lines, depth: depth) { writer, index in
                writer.write(items[index], depth: depth + 1, inList: true)
            }
        case .object(let members):
            let lines = layout == .indented && !members.isEmpty && !(inList && members.allSatisfy(\.value.isPlain))
            list("{", "}", count: members.count, lines: lines, depth: depth) { writer, index in
                writer.append(quoted: members[index].key)
                writer.append(writer.layout == .indented ? ": " : ":")
                writer.write(members[index].value, depth: depth + 1)
            }
        }
    }

    private mutating func list(
        _ open: String, _ close: String, count: Int, lines: Bool, depth: Int, _ item: (inout JSONWriter, Int) -> Void
    ) {
        append(open)
        for index in 0..<count {
            if index > 0 { append(lines || layout != .indented ? "," : ", ") }
            if lines { newline(depth + 1) }
            item(&self, index)
        }
        if lines { newline(depth) }
        append(close)
    }

    private mutating func newline(_ depth: Int) {
        bytes.append(10)
        for _ in 0..<depth { append("  ") }
    }

    public mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

    public mutating func append(quoted text: String) {
        bytes.append(34)
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": append("\\\"")
            case "\\": append("\\\\")
            case "\n": append("\\n")
            case "\r": append("\\r")
            case "\t": append("\\t")
            // A script element ends at "</" and changes meaning at "<!--", wherever they stand in it.
            case "<" where layout == .embedded, ">" where layout == .embedded, "&" where layout == .embedded, "\u{2028}", "\u{2029}":
                append(escape: scalar.value)
            case _ where scalar.value < 0x20 || scalar.value == 0x7F: append(escape: scalar.value)
            default: bytes.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
            }
        }
        bytes.append(34)
    }

    private mutating func append(escape value: UInt32) {
        let digits = String(value, radix: 16)
        append("\\u" + String(repeating: "0", count: 4 - digits.count) + digits)
    }
}

/// The fewest digits that read back as `value`; whole numbers without a fraction.
func jsonNumber(_ value: Double) -> String {
    guard value.isFinite else { return "null" }
    if value == 0 { return "0" }
    let text = value.description
    return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
}
