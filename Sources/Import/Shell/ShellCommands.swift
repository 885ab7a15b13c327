import Scenario

/// Simple commands: assignments, and what the few commands that matter mean for what follows.
extension ShellScript {
    private static let declarations: Set<String> = ["export", "declare", "local", "readonly", "typeset"]

    mutating func simple(_ run: inout ShellRun, live: Bool) throws(ScenarioErrors) -> Bool? {
        let place = run.place
        var raws: [String] = []
        var arrays: [(name: String, appends: Bool, words: [String])] = []
        var document: (text: String, expands: Bool)?
        var target: String?
        let isTest = run.word == "[["
        loop: while run.position < run.tokens.count {
            switch run.token.kind {
            case .word(let raw):
                raws.append(raw)
                run.position += 1
                if isTest, raw == "]]" { break loop }
            case .array(let name, let appends, let words):
                arrays.append((name, appends, words))
                run.position += 1
            case .document(let text, let expands):
                document = (text, expands)
                run.position += 1
            case .redirect(let symbol):
                run.position += 1
                if isTest {
                    raws.append(symbol)
                } else if let file = run.word {
                    if symbol.hasPrefix(">") { target = file }
                    run.position += 1
                }
            case .control(let symbol):
                guard isTest, symbol != "\n", symbol != ";" else { break loop }
                raws.append(symbol)
                run.position += 1
            case .arithmetic: break loop
            }
        }
        // The document of `cat << END > file` stands behind the line's end.
        if document == nil, run.position + 1 < run.tokens.count, case .control("\n") = run.token.kind,
            case .document(let text, let expands) = run.tokens[run.position + 1].kind
        {
            document = (text, expands)
            run.position += 2
        }
        guard live else { return nil }
        for array in arrays {
            let fields = array.words.flatMap { expanded($0) }
            let before = array.appends ? variables.values[array.name] ?? [] : []
            variables.set(array.name, before + fields, isArray: true)
        }
        var isDeclaration = false
        while let raw = raws.first, isDeclaration || isAssignment(raw) || Self.declarations.contains(raw) {
            raws.removeFirst()
            if Self.declarations.contains(raw) { isDeclaration = true } else { assign(raw) }
        }
        guard !raws.isEmpty else { return true }
        let words = raws[0] == "[[" ? raws.map { text(of: $0) } : raws.flatMap { expanded($0) }
        if let document { keep(document, target: target, words: words, place: place) }
        return try perform(words, place)
    }

    private func isAssignment(_ raw: String) -> Bool { raw.prefixMatch(of: /[A-Za-z_][A-Za-z0-9_]*(\[[^\]]*\])?\+?=/) != nil }

    private mutating func assign(_ raw: String) {
        guard let match = raw.wholeMatch(of: /(?s)([A-Za-z_][A-Za-z0-9_]*)(\[[^\]]*\])?(\+?)=(.*)/) else { return }
        let (name, value) = (String(match.1), text(of: String(match.4)))
        if !match.3.isEmpty {
            if variables.arrays.contains(name) {
                var all = variables.values[name] ?? []
                all[0...0] = [(all.first ?? "") + value]
                variables.set(name, all, isArray: true)
            } else {
                variables.set(name, [(variables.values[name]?.first ?? "") + value])
            }
        } else {
            variables.set(name, [value])
        }
    }

    private mutating func keep(_ document: (text: String, expands: Bool), target: String?, words: [String], place: LaunchPlace) {
        let content = document.expands ? text(of: document.text.replacing("\"", with: "\\\"")) : document.text
        if let target {
            let name = String(ShellMark.bare(text(of: target)).map { ShellMark.unknown(of: $0) == nil ? $0 : "?" })
            documents[name] = (ShellMark.bare(content), LaunchPlace(file: place.file, line: place.line + 1))
        }
        if ShellMark.bare(words.first ?? "") == "read", let name = words.last { variables.set(ShellMark.bare(name), [content]) }
    }

    /// What a command means for what follows; every command is noted.
    private mutating func perform(_ words: [String], _ place: LaunchPlace) throws(ScenarioErrors) -> Bool? {
        let bare = words.map(ShellMark.bare)
        guard let name = bare.first else { return true }
        switch name {
        case "[": return ShellCondition.value(Array(words.dropFirst().dropLast(bare.last == "]" ? 1 : 0)), variables, matches: false)
        case "test": return ShellCondition.value(Array(words.dropFirst()), variables, matches: false)
        case "[[": return ShellCondition.value(Array(words.dropFirst().dropLast(bare.last == "]]" ? 1 : 0)), variables, matches: true)
        case "true", ":": return true
        case "false": return false
        case "source", ".": return try include(bare.dropFirst().first ?? "", place)
        case "unset":
            for name in bare.dropFirst() { variables.set(name, [""]) }
            return true
        case "let": return arithmetic(bare.dropFirst().joined(separator: " "))
        default: break
        }
        if let body = functions[name] {
            depth += 1
            defer { depth -= 1 }
            guard depth < 20 else {
                throw launchFault(place, "", "the function \(name) calls itself without end", "import the command that it ends in")
            }
            for (index, word) in words.dropFirst().enumerated() { variables.set("\(index + 1)", [word]) }
            var run = ShellRun(tokens: body, file: place.file)
            return try list(&run, until: [], live: true)
        }
        // A command in a text: eval "$CMD", bash -c "...", srun ... "...".
        if name == "eval" { return try nested(words.dropFirst().joined(separator: " "), place) }
        if let index = bare.firstIndex(of: "-c") ?? bare.firstIndex(of: "-lc"), index > 0, index + 1 < words.count,
            bare[index - 1].hasSuffix("sh")
        {
            commands.append(ShellCommand(words: Array(words[..<index]), place: place))
            return try nested(words[index + 1], place)
        }
        if let text = words.last, bare[words.count - 1].contains(".py"), bare[words.count - 1].contains(where: { $0 == " " || $0 == "\n" }),
            !["echo", "printf"].contains(name)
        {
            commands.append(ShellCommand(words: Array(words.dropLast()), place: place))
            return try nested(text, place)
        }
        commands.append(ShellCommand(words: words, place: place))
        return ["exit", "return"].contains(name) ? nil : true
    }

    private mutating func nested(_ text: String, _ place: LaunchPlace) throws(ScenarioErrors) -> Bool? {
        depth += 1
        defer { depth -= 1 }
        guard depth < 20 else {
            throw launchFault(place, "", "commands in texts are nested too deep", "import the command that it ends in")
        }
        try follow(text, file: place.file, line: place.line)
        return true
    }

    private mutating func include(_ name: String, _ place: LaunchPlace) throws(ScenarioErrors) -> Bool? {
        guard variables.reason(name) == nil, let text = read(name) else {
            remarks.append(
                "\(place): \(variables.reason(name) == nil ? name : "a file by a name that cannot be told") is not there and is left out")
            return true
        }
        depth += 1
        defer { depth -= 1 }
        guard depth < 20 else { throw launchFault(place, "", "files read each other without end", "import the last of them") }
        try follow(text, file: name)
        return true
    }
}
