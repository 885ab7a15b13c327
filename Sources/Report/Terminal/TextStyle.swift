/// How text for people is set: colours or none, and how wide.
public struct TextStyle: Sendable, Hashable {
    public var color: Bool
    /// Columns.
    public var width: Int
    public init(color: Bool, width: Int = 100) {
        self.color = color
        self.width = max(60, width)
    }

    public static let plain = TextStyle(color: false)

    /// Colours on a terminal, unless `NO_COLOR` is set to anything (no-color.org) or the terminal is dumb.
    public static func automatic(isTerminal: Bool, environment: [String: String]) -> TextStyle {
        TextStyle(color: isTerminal && (environment["NO_COLOR"] ?? "").isEmpty && environment["TERM"] != "dumb")
    }

    enum Paint: String {
        case bold = "1"
        case dim = "2"
        case red = "31"
        case green = "32"
        case yellow = "33"
        case blue = "34"
        case magenta = "35"
        case cyan = "36"
    }

    func paint(_ text: String, _ paint: Paint) -> String { color && !text.isEmpty ? "\u{1B}[\(paint.rawValue)m\(text)\u{1B}[0m" : text }
    func heading(_ text: String) -> String { paint(text, .bold) }
    var rule: String { paint(String(repeating: "─", count: width), .dim) }
}

/// `text` on the left of `width` columns; longer texts keep their start and their end.
func padded(_ text: String, _ width: Int) -> String {
    let text = shortened(text, width)
    return text + String(repeating: " ", count: width - text.count)
}

/// `text` on the right of `width` columns.
func rightAligned(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
}

/// Names of a family differ at their end, so the middle goes.
func shortened(_ text: String, _ width: Int) -> String {
    guard text.count > width else { return text }
    let head = (width - 1) / 2
    return text.prefix(head) + "…" + text.suffix(width - 1 - head)
}

/// A bar of `fraction` x `width` columns in eighths of a column, padded to `width`.
func bar(_ fraction: Double, width: Int) -> String {
    let eighths = Int((max(0, min(1, fraction.isFinite ? fraction : 0)) * Double(width * 8)).rounded())
    let parts = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]
    let text = String(repeating: "█", count: eighths / 8) + parts[eighths % 8]
    return text + String(repeating: " ", count: width - text.count)
}

/// `lead`, then `text` in lines of at most `width` columns, broken at blanks, the lines after the first indented. A longer word stands on a line of its own.
func wrapped(_ text: String, after lead: String = "", width: Int, indent: String) -> String {
    var lines: [String] = []
    var line = lead
    var isEmpty = true
    for word in text.split(separator: " ") {
        if isEmpty {
            line += word
        } else if line.count + 1 + word.count <= width {
            line += " " + word
        } else {
            lines.append(line)
            line = indent + word
        }
        isEmpty = false
    }
    return (lines + [line]).joined(separator: "\n")
}

/// `text` in lines of at most `width` columns: rows of tables, which hold several blanks in a row, are cut with "…", other lines broken at blanks and
/// indented like their start. Colours take no column.
public func fitted(_ text: String, width: Int) -> String {
    let width = max(10, width)
    return text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
        guard columns(line) > width else { return String(line) }
        let body = line.drop { $0 == " " }
        let isRow = body.contains("  ") || !body.contains(" ") || body.contains("\u{1B}")
        return isRow ? cut(line, width) : broken(String(body), indent: String(line.prefix(line.count - body.count)), width)
    }.joined(separator: "\n")
}

/// Columns that a line takes, without its escape sequences.
private func columns(_ line: Substring) -> Int {
    var count = 0
    var isEscape = false
    for character in line {
        if character == "\u{1B}" { isEscape = true }
        if !isEscape { count += 1 }
        if isEscape, character == "m" { isEscape = false }
    }
    return count
}

private func cut(_ line: Substring, _ width: Int) -> String {
    var result = ""
    var count = 0
    var isEscape = false
    var isColoured = false
    for character in line {
        if character == "\u{1B}" { (isEscape, isColoured) = (true, true) }
        if isEscape {
            result.append(character)
            if character == "m" { isEscape = false }
            continue
        }
        if count == width - 1 {
            result += "…"
            break
        }
        result.append(character)
        count += 1
    }
    return isColoured ? result + "\u{1B}[0m" : result
}

private func broken(_ body: String, indent: String, _ width: Int) -> String {
    let indent = indent.count < width / 2 ? indent : ""
    var lines: [String] = []
    var line = indent
    // A word that fits on no line is cut into parts that do.
    let room = width - indent.count
    let words = body.split(separator: " ").flatMap { word in
        stride(from: 0, to: word.count, by: room).map { word.dropFirst($0).prefix(room) }
    }
    for word in words {
        if line.count > indent.count, line.count + 1 + word.count > width {
            lines.append(line)
            line = indent
        }
        line += (line.count > indent.count ? " " : "") + word
    }
    return (lines + [line]).joined(separator: "\n")
}
