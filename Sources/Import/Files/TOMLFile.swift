import Scenario

/// Settings of a TOML document (toml.io, version 1.0) by their dotted paths, with their lines: tables, arrays of tables, inline tables, the four
/// kinds of string, arrays over several lines. Dates are kept as they are written.
struct TOMLFile {
    private let text: [Character]
    private let file: String
    private var position = 0
    private var line = 1
    private var settings: [LaunchSetting] = []
    private var counts: [String: Int] = [:]
    private var seen: Set<String> = []

    /// - Throws: `ScenarioErrors` with the line where the text is no TOML.
    static func settings(_ text: String, file: String) throws(ScenarioErrors) -> [LaunchSetting] {
        var reader = TOMLFile(text, file)
        try reader.document()
        return reader.settings
    }

    private init(_ text: String, _ file: String) {
        self.text = Array(text.replacing("\r\n", with: "\n"))
        self.file = file
    }

    private func fault(_ reason: String, _ advice: String) -> ScenarioErrors {
        launchFault(LaunchPlace(file: file, line: line), "", "this is not TOML: \(reason)", advice)
    }

    private var next: Character? { position < text.count ? text[position] : nil }

    private mutating func skip(lines: Bool) {
        while let character = next {
            if character == "#" {
                while let inner = next, inner != "\n" { position += 1 }
            } else if character == " " || character == "\t" {
                position += 1
            } else if character == "\n", lines {
                position += 1
                line += 1
            } else {
                return
            }
        }
    }

    private mutating func document() throws(ScenarioErrors) {
        var table = ""
        while true {
            skip(lines: true)
            guard let first = next else { return }
            if first == "[" {
                table = try header()
            } else {
                try pair(in: table)
            }
            skip(lines: false)
            guard next == nil || next == "\n" else { throw fault("\"\(next ?? " ")\" stands behind a value", "write one setting a line") }
        }
    }

    private mutating func header() throws(ScenarioErrors) -> String {
        position += 1
        let isArray = next == "["
        if isArray { position += 1 }
        skip(lines: false)
        let name = try key()
        skip(lines: false)
        for _ in 0..<(isArray ? 2 : 1) {
            guard next == "]" else { throw fault("the table [\(name) is not closed", "close it with \"]\"") }
            position += 1
        }
        guard isArray else { return name }
        counts[name, default: -1] += 1
        return "\(name)[\(counts[name] ?? 0)]"
    }

    private mutating func key() throws(ScenarioErrors) -> String {
        var parts: [String] = []
        while true {
            skip(lines: false)
            if next == "\"" || next == "'" {
                parts.append(try string())
            } else {
                let start = position
                while let character = next, character.isLetter || character.isNumber || "_-".contains(character) { position += 1 }
                guard position > start else { throw fault("a key was expected", "write name = value") }
                parts.append(String(text[start..<position]))
            }
            skip(lines: false)
            guard next == "." else { return parts.joined(separator: ".") }
            position += 1
        }
    }

    private mutating func pair(in table: String) throws(ScenarioErrors) {
        let first = line
        let name = try key()
        guard next == "=" else { throw fault("\"=\" was expected behind \(name)", "write \(name) = value") }
        position += 1
        let path = table.isEmpty ? name : "\(table).\(name)"
        guard seen.insert(path).inserted else { throw fault("\(path) is given twice", "keep one of the two") }
        try value(path, line: first, depth: 0)
    }

    private mutating func value(_ path: String, line first: Int, depth: Int) throws(ScenarioErrors) {
        guard depth < 40 else { throw fault("values are nested too deep", "no configuration needs this") }
        skip(lines: false)
        switch next {
        case "[":
            let all = try elements(path, depth: depth)
            add(path, all, first)
        case "{":
            position += 1
            skip(lines: false)
            while next != "}" {
                let name = try key()
                guard next == "=" else { throw fault("\"=\" was expected behind \(name)", "write \(name) = value") }
                position += 1
                try value("\(path).\(name)", line: line, depth: depth + 1)
                skip(lines: false)
                guard next == "," || next == "}" else { throw fault("the inline table of \(path) is not closed", "close it with \"}\"") }
                if next == "," { position += 1 }
                skip(lines: false)
            }
            position += 1
        default:
            let word = try scalar(path)
            add(path, [word], first)
        }
    }

    private mutating func add(_ path: String, _ values: [String], _ line: Int) {
        settings.append(LaunchSetting(name: path, values: values, place: LaunchPlace(file: file, line: line), isOption: false))
    }

    private mutating func scalar(_ path: String) throws(ScenarioErrors) -> String {
        if next == "\"" || next == "'" { return try string() }
        let start = position
        while let character = next, !"\n,]}# \t".contains(character) { position += 1 }
        let word = String(text[start..<position])
        let isValue =
            ["true", "false", "inf", "nan", "+inf", "-inf"].contains(word)
            || word.wholeMatch(of: /[+-]?[0-9][0-9_]*(\.[0-9_]+)?([eE][+-]?[0-9]+)?|0[xob][0-9a-fA-F_]+/) != nil
            || word.prefixMatch(of: /[0-9]{4}-[0-9]{2}-[0-9]{2}/) != nil
        guard isValue else {
            throw fault(
                word.isEmpty ? "\(path) has no value" : "\"\(word)\" is no value", "put texts in quotes; write numbers, true or false plain"
            )
        }
        return word
    }

    private mutating func elements(_ path: String, depth: Int) throws(ScenarioErrors) -> [String] {
        let first = line
        var values: [String] = []
        position += 1
        while true {
            skip(lines: true)
            guard let character = next else {
                line = first
                throw fault("the list of \(path) is not closed", "close it with \"]\"")
            }
            if character == "]" {
                position += 1
                return values
            }
            if character == "[" {
                values.append("[" + (try elements(path, depth: depth + 1)).joined(separator: ", ") + "]")
            } else if character == "{" {
                try value("\(path)[\(values.count)]", line: line, depth: depth + 1)
                values.append("{}")
            } else {
                values.append(try scalar(path))
            }
            skip(lines: true)
            if next == "," {
                position += 1
            } else if next != "]" {
                throw fault("\",\" or \"]\" was expected in the list of \(path)", "separate values with commas")
            }
        }
    }

    private mutating func string() throws(ScenarioErrors) -> String {
        guard let quote = next else { return "" }
        let first = line
        let isLong = position + 2 < text.count && text[position + 1] == quote && text[position + 2] == quote
        position += isLong ? 3 : 1
        if isLong, next == "\n" {
            position += 1
            line += 1
        }
        var result = ""
        while let character = next {
            if character == quote, !isLong || position + 2 < text.count && text[position + 1] == quote && text[position + 2] == quote {
                position += isLong ? 3 : 1
                return result
            }
            if character == "\n" {
                guard isLong else { break }
                line += 1
            }
            if character == "\\", quote == "\"", position + 1 < text.count {
                let escapes: [Character: Character] = ["n": "\n", "t": "\t", "r": "\r", "\"": "\"", "\\": "\\"]
                result.append(escapes[text[position + 1]] ?? text[position + 1])
                position += 2
                continue
            }
            result.append(character)
            position += 1
        }
        line = first
        throw fault("a text is not closed", "close it with \(quote)")
    }
}
