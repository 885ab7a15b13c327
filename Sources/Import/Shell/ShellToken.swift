import Scenario

/// A piece of a shell script, with the line on which it begins.
struct ShellToken {
    enum Kind {
        /// A word as written, quotes and expansions included.
        case word(String)
        /// `NAME=( ... )` or `NAME+=( ... )`: the words as written.
        case array(name: String, appends: Bool, words: [String])
        /// `;`, a line's end, `&&`, `||`, `|`, `&`, `(`, `)`, `;;`.
        case control(String)
        /// `>`, `>>`, `<` and the like; the word behind is the file.
        case redirect(String)
        /// A document in the script; expanded unless its mark was quoted.
        case document(String, expands: Bool)
        /// `(( ... ))`.
        case arithmetic(String)
    }
    var kind: Kind
    var line: Int
}

/// Marks that travel with a text through every expansion, on the planes for private use: where an option was written, and what cannot be told.
enum ShellMark {
    private static let linesOfFile: UInt32 = 8192
    private static let places: UInt32 = 0xF0000
    private static let unknowns: UInt32 = 0x100000

    static func place(file: Int, line: Int) -> Character {
        let code = places + UInt32(min(6, max(0, file))) * linesOfFile + UInt32(min(max(1, line), Int(linesOfFile) - 1))
        return Character(Unicode.Scalar(code) ?? " ")
    }

    static func place(of mark: Character) -> (file: Int, line: Int)? {
        guard let code = mark.unicodeScalars.first?.value, code >= places, code < places + 0xE000 else { return nil }
        return (Int((code - places) / linesOfFile), Int((code - places) % linesOfFile))
    }

    static func unknown(_ index: Int) -> Character { Character(Unicode.Scalar(unknowns + UInt32(min(index, 60_000))) ?? "?") }

    static func unknown(of mark: Character) -> Int? {
        guard let code = mark.unicodeScalars.first?.value, code >= unknowns, code < unknowns + 60_001 else { return nil }
        return Int(code - unknowns)
    }

    /// The text without marks of places.
    static func bare(_ text: String) -> String {
        text.contains { place(of: $0) != nil } ? String(text.filter { place(of: $0) == nil }) : text
    }
    static func hasUnknown(_ text: String) -> Bool { text.contains { unknown(of: $0) != nil } }
}

/// Text of a script to tokens (POSIX.1-2017, Shell Command Language, section 2.3; arrays and `((` as in bash).
struct ShellLexer {
    private let text: [Character]
    private let file: String
    private let fileIndex: Int
    private var position = 0
    private var line: Int
    private var tokens: [ShellToken] = []
    private var awaited: [(mark: String, expands: Bool, strips: Bool, line: Int)] = []
    /// Options of the batch system in comments (`#SBATCH --nodes=4`).
    private(set) var batchOptions: [(text: String, line: Int)] = []

    /// - Parameter firstLine: of the text in its file.
    init(_ text: String, file: String, fileIndex: Int, firstLine: Int = 1) {
        self.text = Array(text.replacing("\r\n", with: "\n"))
        (self.file, self.fileIndex, line) = (file, fileIndex, firstLine)
    }

    private func fault(_ reason: String, _ advice: String, at line: Int) -> ScenarioErrors {
        launchFault(LaunchPlace(file: file, line: line), "", reason, advice)
    }

    private func peek(_ offset: Int = 0) -> Character? { position + offset < text.count ? text[position + offset] : nil }
    private func starts(with word: String) -> Bool { text[position...].starts(with: word) }

    mutating func run() throws(ScenarioErrors) -> [ShellToken] {
        while let next = peek() {
            switch next {
            case " ", "\t": position += 1
            case "\\" where peek(1) == "\n":
                position += 2
                line += 1
            case "\n":
                control("\n", length: 1)
                line += 1
                try readDocuments()
            case "#": comment()
            case ";":
                if starts(with: ";;&") {
                    control(";;", length: 3)
                } else if starts(with: ";;") {
                    control(";;", length: 2)
                } else {
                    control(";", length: 1)
                }
            case "&":
                if starts(with: "&>>") {
                    redirect(">>", length: 3)
                } else if starts(with: "&>") {
                    redirect(">", length: 2)
                } else if starts(with: "&&") {
                    control("&&", length: 2)
                } else {
                    control("&", length: 1)
                }
            case "|": control(starts(with: "||") ? "||" : "|", length: starts(with: "||") ? 2 : starts(with: "|&") ? 2 : 1)
            case "(":
                if starts(with: "((") { try arithmetic() } else { control("(", length: 1) }
            case ")": control(")", length: 1)
            case "<", ">": try redirection()
            default: try word()
            }
        }
        try readDocuments()
        control("\n", length: 0)
        return tokens
    }

    private mutating func control(_ symbol: String, length: Int) {
        tokens.append(ShellToken(kind: .control(symbol), line: line))
        position += length
    }

    private mutating func redirect(_ symbol: String, length: Int) {
        tokens.append(ShellToken(kind: .redirect(symbol), line: line))
        position += length
    }

    private mutating func comment() {
        let start = position
        while let next = peek(), next != "\n" { position += 1 }
        let content = String(text[start..<position])
        if let options = content.wholeMatch(of: /#\s*(?:SBATCH|BSUB|PBS)\s+(.*)/) { batchOptions.append((String(options.1), line)) }
    }

    private mutating func arithmetic() throws(ScenarioErrors) {
        let (start, first) = (position, line)
        var depth = 0
        while let next = peek() {
            if next == "\n" { line += 1 }
            if next == "(" { depth += 1 }
            if next == ")" { depth -= 1 }
            position += 1
            if depth == 0 { break }
        }
        guard depth == 0, position - start >= 4 else { throw fault("a \"((\" is not closed", "close it with \"))\"", at: first) }
        tokens.append(ShellToken(kind: .arithmetic(String(text[start + 2..<position - 2])), line: first))
    }

    private mutating func redirection() throws(ScenarioErrors) {
        if starts(with: "<<<") { return redirect("<<<", length: 3) }
        if starts(with: "<<") {
            let strips = starts(with: "<<-")
            position += strips ? 3 : 2
            while peek() == " " || peek() == "\t" { position += 1 }
            let raw = try rawWord()
            let mark = raw.filter { $0 != "'" && $0 != "\"" && $0 != "\\" }
            awaited.append((ShellMark.bare(mark), raw == mark, strips, line))
            return
        }
        if starts(with: "<(") || starts(with: ">(") { return try word() }
        if starts(with: ">>") { return redirect(">>", length: 2) }
        if starts(with: ">&") || starts(with: "<&") {
            // 2>&1: nothing to read from it.
            position += 2
            while let next = peek(), next.isNumber || next == "-" { position += 1 }
            return
        }
        redirect(String(text[position]), length: starts(with: ">|") ? 2 : 1)
    }

    /// The documents that began on the line before.
    private mutating func readDocuments() throws(ScenarioErrors) {
        let due = awaited
        awaited = []
        for document in due {
            let first = line
            var body = ""
            var isClosed = false
            while position < text.count {
                let start = position
                while let next = peek(), next != "\n" { position += 1 }
                var content = String(text[start..<position])
                if document.strips { content = String(content.drop { $0 == "\t" }) }
                if position < text.count { position += 1 }
                line += 1
                if content == document.mark {
                    isClosed = true
                    break
                }
                body += content + "\n"
            }
            guard isClosed else {
                throw fault(
                    "the document that ends at \"\(document.mark)\" has no end", "write \(document.mark) on a line of its own",
                    at: document.line)
            }
            tokens.append(ShellToken(kind: .document(body, expands: document.expands), line: first))
            tokens.append(ShellToken(kind: .control("\n"), line: line))
        }
    }

    private mutating func word() throws(ScenarioErrors) {
        let first = line
        let raw = try rawWord()
        if peek() == "(", let match = raw.wholeMatch(of: /([A-Za-z_][A-Za-z0-9_]*)(\+?)=/) {
            position += 1
            tokens.append(
                ShellToken(kind: .array(name: String(match.1), appends: !match.2.isEmpty, words: try arrayWords(from: first)), line: first))
            return
        }
        // The number of a stream in front of a redirection.
        if raw.allSatisfy(\.isNumber), peek() == ">" || peek() == "<" { return }
        tokens.append(ShellToken(kind: .word(raw), line: first))
    }

    private mutating func arrayWords(from first: Int) throws(ScenarioErrors) -> [String] {
        var words: [String] = []
        while let next = peek() {
            switch next {
            case " ", "\t": position += 1
            case "\n":
                position += 1
                line += 1
            case "\\" where peek(1) == "\n":
                position += 2
                line += 1
            case "#": comment()
            case ")":
                position += 1
                return words
            default:
                let before = position
                words.append(try rawWord())
                guard position > before else { throw fault("\"\(next)\" cannot stand in a list", "put it in quotes", at: line) }
            }
        }
        throw fault("the list that opens here is not closed", "close it with \")\"", at: first)
    }

    /// A word with its quotes; a mark of its place goes in front of everything that looks like an option.
    private mutating func rawWord() throws(ScenarioErrors) -> String {
        let first = line
        var raw = ""
        var quote: Character?
        while let next = peek() {
            if next == "\n" { if quote == nil { break } else { line += 1 } }
            if next == "-", peek(1) == "-", position == 0 || " \t\n\"'(".contains(text[position - 1]) {
                raw.append(ShellMark.place(file: fileIndex, line: line))
            }
            if quote == "'" {
                if next == "'" { quote = nil }
            } else if next == "\\" {
                raw.append(next)
                position += 1
                if let escaped = peek() {
                    if escaped == "\n" {
                        line += 1
                        raw.removeLast()
                    } else {
                        raw.append(escaped)
                    }
                    position += 1
                }
                continue
            } else if next == "\"" {
                quote = quote == nil ? "\"" : nil
            } else if next == "$", peek(1) == "(" || peek(1) == "{" || peek(1) == "[" {
                raw += try bracketed(from: 1)
                continue
            } else if next == "`" {
                raw += try backquoted()
                continue
            } else if quote == nil {
                if next == "'" {
                    quote = "'"
                } else if (next == "<" || next == ">") && peek(1) == "(" && raw.isEmpty {
                    raw += try bracketed(from: 1)
                    continue
                } else if " \t;|&()<>".contains(next) {
                    break
                }
            }
            raw.append(next)
            position += 1
        }
        guard quote == nil else {
            throw fault("a quote is not closed", "close the \(quote == "'" ? "'" : "\"") that opens here", at: first)
        }
        return raw
    }

    /// `$( ... )`, `${ ... }`, `$[ ... ]` with what is nested in it.
    private mutating func bracketed(from offset: Int) throws(ScenarioErrors) -> String {
        let first = line
        let pairs: [Character: Character] = ["(": ")", "{": "}", "[": "]"]
        guard let open = peek(offset), let close = pairs[open] else { return "" }
        var raw = String(text[position..<position + offset])
        position += offset
        var depth = 0
        var quote: Character?
        while let next = peek() {
            if next == "\n" { line += 1 }
            if next == "\\", let escaped = peek(1) {
                raw += [next, escaped]
                position += 2
                continue
            }
            if let current = quote { if next == current { quote = nil } } else if next == "\"" || next == "'" { quote = next }
            if quote == nil {
                if next == open { depth += 1 }
                if next == close { depth -= 1 }
            }
            raw.append(next)
            position += 1
            if depth == 0, quote == nil { return raw }
        }
        throw fault("\"\(open)\" is not closed", "close it with \"\(close)\"", at: first)
    }

    private mutating func backquoted() throws(ScenarioErrors) -> String {
        let first = line
        var raw = "`"
        position += 1
        while let next = peek() {
            if next == "\n" { line += 1 }
            raw.append(next)
            position += 1
            if next == "`" { return raw }
        }
        throw fault("a backquote is not closed", "close it", at: first)
    }
}
