import Scenario

/// Values of a script's variables, and what `$NAME` and its relatives become. Nothing is run.
struct ShellVariables {
    /// Scalars have one element.
    private(set) var values: [String: [String]] = [:]
    private(set) var arrays: Set<String> = []
    /// What `ShellMark.unknown` counts.
    private(set) var unknowns: [String] = []
    let file: String

    init(file: String, given: [String: String]) {
        self.file = file
        for (name, value) in given { values[name] = [value] }
        fixed = Set(given.keys)
    }
    /// Given from outside: what the script assigns does not count.
    private let fixed: Set<String>

    mutating func set(_ name: String, _ value: [String], isArray: Bool = false) {
        guard !fixed.contains(name) else { return }
        values[name] = value
        if isArray { arrays.insert(name) } else { arrays.remove(name) }
    }

    subscript(_ name: String) -> String? { values[name].map { ShellMark.bare($0.joined(separator: " ")) } }

    mutating func unknown(_ why: String) -> String {
        if let index = unknowns.firstIndex(of: why) { return String(ShellMark.unknown(index)) }
        unknowns.append(why)
        return String(ShellMark.unknown(unknowns.count - 1))
    }

    /// Why a text is not known; nil where it is.
    func reason(_ text: String) -> String? {
        text.lazy.compactMap { ShellMark.unknown(of: $0) }.first.flatMap { $0 < unknowns.count ? unknowns[$0] : nil }
    }

    func number(_ name: String) -> Int? {
        guard let text = self[name] else { return 0 }
        return Int(text.filter { !$0.isWhitespace })
    }
}

/// One word as written to the fields that it becomes (POSIX.1-2017, Shell Command Language, section 2.6).
struct ShellExpander {
    var variables: ShellVariables
    private var fields: [String] = []
    private var current: String?
    private var depth = 0

    init(_ variables: ShellVariables) { self.variables = variables }

    /// - Parameter splits: whether unquoted values fall apart at spaces.
    mutating func fields(of raw: String, splits: Bool = true) -> [String] {
        (fields, current) = ([], nil)
        expand(Array(raw), splits: splits)
        if let current { fields.append(current) }
        return fields
    }

    mutating func text(of raw: String) -> String { fields(of: raw, splits: false).joined(separator: " ") }

    private mutating func append(_ text: String) { current = (current ?? "") + text }

    private mutating func append(value: String, splits: Bool) {
        guard splits else { return append(value) }
        var isFirst = true
        for part in value.split(omittingEmptySubsequences: false, whereSeparator: { $0 == " " || $0 == "\t" || $0 == "\n" }) {
            if !isFirst, let done = current {
                fields.append(done)
                current = nil
            }
            isFirst = false
            if !part.isEmpty { append(String(part)) }
        }
    }

    private mutating func expand(_ raw: [Character], splits: Bool) {
        var (position, isQuoted) = (0, false)
        while position < raw.count {
            let next = raw[position]
            switch next {
            case "'" where !isQuoted:
                let end = raw[(position + 1)...].firstIndex(of: "'") ?? raw.count
                append(String(raw[(position + 1)..<end]))
                position = end + 1
            case "\"":
                isQuoted.toggle()
                append("")
                position += 1
            case "\\":
                if position + 1 < raw.count {
                    let escaped = raw[position + 1]
                    append(isQuoted && !"$`\"\\".contains(escaped) ? "\\\(escaped)" : String(escaped))
                }
                position += 2
            case "`":
                let end = raw[(position + 1)...].firstIndex(of: "`") ?? raw.count
                append(value: substitution(String(raw[(position + 1)..<end])), splits: splits && !isQuoted)
                position = end + 1
            case "$": position = dollar(raw, position, splits: splits, isQuoted: isQuoted)
            case "<" where position == 0 && raw.count > 1 && raw[1] == "(":
                append(variables.unknown("a command that would have to be run"))
                return
            default:
                append(String(next))
                position += 1
            }
        }
    }

    /// - Returns: the position behind the expansion.
    private mutating func dollar(_ raw: [Character], _ start: Int, splits: Bool, isQuoted: Bool) -> Int {
        func close(_ open: Character, _ close: Character) -> Int {
            var depth = 0
            for index in (start + 1)..<raw.count {
                if raw[index] == open { depth += 1 }
                if raw[index] == close { depth -= 1 }
                if depth == 0 { return index }
            }
            return raw.count - 1
        }
        guard start + 1 < raw.count else {
            append("$")
            return raw.count
        }
        let mayFall = splits && !isQuoted
        switch raw[start + 1] {
        case "(":
            let end = close("(", ")")
            if start + 2 < raw.count, raw[start + 2] == "(", end - 1 > start + 3, raw[end - 1] == ")" {
                append(arithmetic(String(raw[(start + 3)..<(end - 1)])))
            } else {
                append(value: substitution(String(raw[(start + 2)..<end])), splits: mayFall)
            }
            return end + 1
        case "[":
            let end = close("[", "]")
            append(arithmetic(String(raw[(start + 2)..<end])))
            return end + 1
        case "{":
            let end = close("{", "}")
            parameter(String(raw[(start + 2)..<end]), mayFall: mayFall, isQuoted: isQuoted)
            return end + 1
        case let first where first.isLetter || first == "_":
            var end = start + 1
            while end < raw.count, raw[end].isLetter || raw[end].isNumber || raw[end] == "_" { end += 1 }
            parameter(String(raw[(start + 1)..<end]), mayFall: mayFall, isQuoted: isQuoted)
            return end
        case "@", "*": return start + 2
        case "#":
            append("0")
            return start + 2
        case let digit where digit.isNumber || digit == "?" || digit == "$" || digit == "!":
            parameter(String(digit), mayFall: mayFall, isQuoted: isQuoted)
            return start + 2
        default:
            append("$")
            return start + 1
        }
    }

    private mutating func arithmetic(_ raw: String) -> String {
        guard depth < 20 else { return variables.unknown("an expression nested too deep") }
        var inner = ShellExpander(variables)
        inner.depth = depth + 1
        let text = ShellMark.bare(inner.text(of: raw))
        variables = inner.variables
        if let why = variables.reason(text) { return variables.unknown(why) }
        let known = variables
        guard let value = ShellArithmetic.value(text, variable: { known.number($0) }) else {
            return variables.unknown("$((\(ShellMark.bare(raw)))), which is no arithmetic over whole numbers that are known")
        }
        return String(value)
    }

    /// What a command would print, for the few that need not be run to tell.
    private mutating func substitution(_ raw: String) -> String {
        let bare = ShellMark.bare(raw)
        let words = bare.split(whereSeparator: \.isWhitespace).map(String.init)
        let text = words.joined(separator: " ")
        let isOwnFolder =
            (text.hasPrefix("dirname") || text.hasPrefix("cd \"$( dirname") || text.hasPrefix("cd \"$(dirname")
                || text.hasPrefix("cd $(dirname"))
            && (text.contains("BASH_SOURCE") || text.contains("$0") || text.contains("{0}"))
        if isOwnFolder { return variables.file.lastIndex(of: "/").map { String(variables.file[..<$0]) } ?? "." }
        if words.first == "expr", depth < 20 {
            return arithmetic(words.dropFirst().joined(separator: " ").replacing("\\*", with: "*").replacing("'*'", with: "*"))
        }
        if words.first == "echo", !bare.contains("|"), depth < 20 {
            var inner = ShellExpander(variables)
            inner.depth = depth + 1
            let printed = words.dropFirst().map { inner.text(of: $0) }.joined(separator: " ")
            variables = inner.variables
            return printed
        }
        return variables.unknown("the command $(\(text.prefix(60))\(text.count > 60 ? "..." : ""))")
    }

    /// `NAME`, `NAME[@]`, `NAME:-word` and the other forms of a parameter.
    private mutating func parameter(_ raw: String, mayFall: Bool, isQuoted: Bool) {
        if raw.hasPrefix("#") {
            let name = String(raw.dropFirst().prefix { $0.isLetter || $0.isNumber || $0 == "_" })
            let value = variables.values[name] ?? []
            return append(String(raw.contains("[") ? value.count : (value.first.map { ShellMark.bare($0).count } ?? 0)))
        }
        let isIndirect = raw.hasPrefix("!")
        let body = isIndirect ? String(raw.dropFirst()) : raw
        var name = String(body.prefix { $0.isLetter || $0.isNumber || $0 == "_" || $0 == "?" || $0 == "$" || $0 == "@" || $0 == "*" })
        var rest = body.dropFirst(name.count)
        if isIndirect, let target = variables[name] { name = target }
        if name == "@" || name == "*" { return }
        var value = variables.values[name]
        if rest.hasPrefix("["), let end = rest.firstIndex(of: "]") {
            let index = String(rest[rest.index(after: rest.startIndex)..<end])
            rest = rest[rest.index(after: end)...]
            if index == "@" || index == "*" {
                let all = value ?? []
                if rest.isEmpty, isQuoted, index == "@" { return append(each: all) }
                value = all.isEmpty && rest.isEmpty ? [""] : [all.joined(separator: " ")]
            } else {
                let number = Int(arithmetic(index))
                value = number.flatMap { at in value.flatMap { at >= 0 && at < $0.count ? [$0[at]] : nil } }
            }
        } else if let all = value, variables.arrays.contains(name) {
            value = all.first.map { [$0] }
        }
        let text = applied(String(rest), to: value?.joined(separator: " "), name: name)
        append(value: text, splits: mayFall)
    }

    private mutating func append(each all: [String]) {
        for (index, element) in all.enumerated() {
            if index > 0, let done = current {
                fields.append(done)
                current = nil
            }
            append(element)
        }
    }

    private mutating func applied(_ operation: String, to value: String?, name: String) -> String {
        func word(_ count: Int, _ expander: inout ShellExpander) -> String {
            guard expander.depth < 20 else { return expander.variables.unknown("an expansion nested too deep") }
            var inner = ShellExpander(expander.variables)
            inner.depth = expander.depth + 1
            let text = inner.text(of: String(operation.dropFirst(count)))
            expander.variables = inner.variables
            return text
        }
        let isEmpty = value?.isEmpty ?? true
        if operation.hasPrefix(":-") { return isEmpty ? word(2, &self) : value ?? "" }
        if operation.hasPrefix("-") { return value ?? word(1, &self) }
        if operation.hasPrefix(":=") || operation.hasPrefix("=") {
            if operation.hasPrefix(":") ? !isEmpty : value != nil { return value ?? "" }
            let text = word(operation.hasPrefix(":") ? 2 : 1, &self)
            variables.set(name, [text])
            return text
        }
        if operation.hasPrefix(":+") { return isEmpty ? "" : word(2, &self) }
        if operation.hasPrefix("+") { return value == nil ? "" : word(1, &self) }
        guard let value else { return variables.unknown("$\(name), which the file never sets") }
        guard !operation.isEmpty, !operation.hasPrefix(":?"), !operation.hasPrefix("?") else { return value }
        if ShellMark.hasUnknown(value) { return value }
        if operation == ",," || operation == "," { return value.lowercased() }
        if operation == "^^" || operation == "^" { return value.uppercased() }
        return cut(operation, from: value)
    }

    /// `%word`, `%%word`, `#word`, `##word`, `/from/to`, `//from/to`, `:offset:length`.
    private mutating func cut(_ operation: String, from value: String) -> String {
        let characters = Array(value)
        if operation.hasPrefix("%") || operation.hasPrefix("#") {
            let isEnd = operation.hasPrefix("%")
            let isLongest = operation.hasPrefix("%%") || operation.hasPrefix("##")
            let pattern = Array(operation.dropFirst(isLongest ? 2 : 1))
            let lengths = isLongest ? Array((0...characters.count).reversed()) : Array(0...characters.count)
            for length in lengths {
                let part = isEnd ? characters.suffix(length) : characters.prefix(length)
                if shellMatches(Array(part), pattern) {
                    return String(isEnd ? characters.dropLast(length) : characters.dropFirst(length))
                }
            }
            return value
        }
        if operation.hasPrefix("/") {
            let isAll = operation.hasPrefix("//")
            let parts = operation.dropFirst(isAll ? 2 : 1).split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
            guard let from = parts.first, !from.isEmpty else { return value }
            return value.replacing(from, with: parts.count > 1 ? parts[1] : "", maxReplacements: isAll ? .max : 1)
        }
        if operation.hasPrefix(":") {
            let parts = operation.dropFirst().split(separator: ":").map { Int(arithmetic(String($0))) }
            guard let offset = parts.first ?? nil, offset >= 0, offset <= characters.count else { return value }
            let length = parts.count > 1 ? parts[1] ?? 0 : characters.count
            return String(characters.dropFirst(offset).prefix(max(0, length)))
        }
        return variables.unknown("${...\(operation)}, a form that is not read")
    }
}

/// Whether a pattern of the shell (`*`, `?`) matches the whole text.
/// - Complexity: O(text x pattern).
func shellMatches(_ text: [Character], _ pattern: [Character]) -> Bool {
    var reached = Set([0])
    for symbol in pattern {
        var next = Set<Int>()
        for index in reached {
            if symbol == "*" {
                next.formUnion(index...text.count)
            } else if index < text.count, symbol == "?" || symbol == text[index] {
                next.insert(index + 1)
            }
        }
        reached = next
    }
    return reached.contains(text.count)
}
