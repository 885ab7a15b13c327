/// HTML that is safe to stand in a page: texts enter through `text(_:)` or an attribute, which escape them.
struct Markup: ExpressibleByStringLiteral, ExpressibleByStringInterpolation {
    private(set) var html: String

    /// A literal of this program; interpolated values are escaped unless they are markup.
    init(stringLiteral value: String) { html = value }
    init(stringInterpolation: Interpolation) { html = stringInterpolation.html }
    private init(trusted: String) { html = trusted }

    struct Interpolation: StringInterpolationProtocol {
        var html = ""
        init(literalCapacity: Int, interpolationCount: Int) { html.reserveCapacity(literalCapacity + 16 * interpolationCount) }
        mutating func appendLiteral(_ literal: String) { html += literal }
        mutating func appendInterpolation(_ text: String) { html += escaped(text) }
        mutating func appendInterpolation(_ number: Int) { html += String(number) }
        mutating func appendInterpolation(_ markup: Markup) { html += markup.html }
        mutating func appendInterpolation(_ parts: [Markup]) { for part in parts { html += part.html } }
    }

    static func text(_ text: String) -> Markup { Markup(trusted: escaped(text)) }
    /// A resource of this program, or a document that its writer made safe.
    static func trusted(_ html: String) -> Markup { Markup(trusted: html) }

    static func + (a: Markup, b: Markup) -> Markup { Markup(trusted: a.html + b.html) }
}

/// `text` for element content and for attributes in double or single quotes. Characters that HTML forbids become U+FFFD.
func escaped(_ text: String) -> String {
    var out = ""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "&": out += "&amp;"
        case "<": out += "&lt;"
        case ">": out += "&gt;"
        case "\"": out += "&quot;"
        case "'": out += "&#39;"
        case "\n", "\t": out.unicodeScalars.append(scalar)
        case _ where scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value): out += "\u{FFFD}"
        default: out.unicodeScalars.append(scalar)
        }
    }
    return out
}

/// A table; cells of columns marked numeric stand on the right.
struct Table {
    var header: [String]
    var numeric: Set<Int>
    var rows: [[Markup]]
    /// Classes of rows, by index.
    var rowClasses: [Int: String] = [:]

    init(_ header: [String], numeric: Set<Int> = [], rows: [[Markup]]) {
        self.header = header
        self.numeric = numeric
        self.rows = rows
    }

    var markup: Markup {
        let head = header.enumerated().map { index, title -> Markup in
            numeric.contains(index) ? "<th scope=\"col\" class=\"n\">\(title)</th>" : "<th scope=\"col\">\(title)</th>"
        }
        let body = rows.enumerated().map { index, cells -> Markup in
            let cells = cells.enumerated().map { column, cell -> Markup in
                numeric.contains(column) ? "<td class=\"n\">\(cell)</td>" : "<td>\(cell)</td>"
            }
            if let name = rowClasses[index] { return "<tr class=\"\(name)\">\(cells)</tr>\n" }
            return "<tr>\(cells)</tr>\n"
        }
        return "<div class=\"scroll\"><table><thead><tr>\(head)</tr></thead>\n<tbody>\(body)</tbody></table></div>\n"
    }
}

/// Replaces each `{{name}}` of `template` once; values are not searched again. An unknown name stays as it is.
func filled(_ template: String, _ values: [String: String]) -> String {
    var out = ""
    var rest = template[...]
    while let open = rest.firstRange(of: "{{") {
        out += rest[..<open.lowerBound]
        let inner = rest[open.upperBound...]
        guard let close = inner.firstRange(of: "}}") else { break }
        let name = String(inner[..<close.lowerBound])
        out += values[name] ?? "{{\(name)}}"
        rest = inner[close.upperBound...]
    }
    return out + rest
}

/// A figure in large type.
struct Tile {
    var label: String
    /// A number, and its unit behind a blank, which is set smaller.
    var value: String
    var remark: String

    private var markup: Markup {
        let end = value.lastIndex(where: \.isNumber).map { value.index(after: $0) } ?? value.startIndex
        let figure: Markup = end == value.startIndex ? .text(value) : "\(String(value[..<end]))<small>\(String(value[end...]))</small>"
        return
            "<div class=\"tile\"><div class=\"label\">\(label)</div><div class=\"value\">\(figure)</div><div class=\"remark\">\(remark)</div></div>\n"
    }

    static func row(_ tiles: [Tile]) -> Markup { "<div class=\"tiles\">\n\(tiles.map(\.markup))</div>\n" }
}
