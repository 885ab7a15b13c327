import Scenario

/// A command that a script would run, its words expanded.
struct ShellCommand {
    var words: [String]
    var place: LaunchPlace
}

/// A shell script, followed without running anything of it: assignments, lists, conditions, loops over words, functions, documents and files that
/// it reads in. What would need a run is carried along as unknown, and is an error only where somebody asks for its value.
struct ShellScript {
    var variables: ShellVariables
    /// Commands in the order in which they would run.
    var commands: [ShellCommand] = []
    /// Options for the batch system, `#SBATCH` and the like: words.
    private(set) var batch: [ShellCommand] = []
    /// Documents that the script writes to files, by name.
    var documents: [String: (text: String, place: LaunchPlace)] = [:]
    var remarks: [String] = []
    /// Scripts read, by the number that their marks have.
    private(set) var files: [String] = []

    var functions: [String: [ShellToken]] = [:]
    var depth = 0
    private var steps = 0
    let read: (String) -> String?
    private static let stepLimit = 200_000

    /// - Parameters:
    ///   - given: values of variables from outside.
    ///   - read: text of another file that the script reads in; nil where there is none.
    /// - Throws: `ScenarioErrors` where the text is no script.
    init(_ text: String, file: String, given: [String: String] = [:], read: @escaping (String) -> String? = { _ in nil })
        throws(ScenarioErrors)
    {
        variables = ShellVariables(file: file, given: given)
        self.read = read
        try follow(text, file: file)
    }

    mutating func follow(_ text: String, file: String, line: Int = 1) throws(ScenarioErrors) {
        let index = files.firstIndex(of: file) ?? files.count
        if index == files.count { files.append(file) }
        var lexer = ShellLexer(text, file: file, fileIndex: index, firstLine: line)
        let tokens = try lexer.run()
        for option in lexer.batchOptions {
            let words = option.text.split(whereSeparator: \.isWhitespace).map(String.init)
            batch.append(ShellCommand(words: words, place: LaunchPlace(file: file, line: option.line)))
        }
        if depth == 0 { takeBatchVariables() }
        var run = ShellRun(tokens: tokens, file: file)
        while run.position < tokens.count {
            _ = try list(&run, until: [], live: true)
            // A closing word without its opening.
            guard run.position >= tokens.count else {
                throw launchFault(run.place, "", "\"\(run.word ?? ")")\" has nothing that it closes", "remove it, or write what opens it")
            }
        }
    }

    /// What the batch system sets of what its options say.
    private mutating func takeBatchVariables() {
        for option in batch {
            for (name, value) in LauncherOptions.pairs(option.words) {
                let bare = String(value.prefix { $0.isNumber })
                switch name {
                case "nodes", "N":
                    for key in ["SLURM_NNODES", "SLURM_JOB_NUM_NODES"] where variables[key] == nil { variables.set(key, [bare]) }
                case "ntasks-per-node": if variables["SLURM_NTASKS_PER_NODE"] == nil { variables.set("SLURM_NTASKS_PER_NODE", [bare]) }
                case "gpus-per-node", "gres":
                    let count = String(value.reversed().prefix { $0.isNumber }.reversed())
                    for key in ["SLURM_GPUS_ON_NODE", "SLURM_GPUS_PER_NODE"] where variables[key] == nil && !count.isEmpty {
                        variables.set(key, [count])
                    }
                case "ntasks", "n": for key in ["SLURM_NTASKS", "SLURM_NPROCS"] where variables[key] == nil { variables.set(key, [bare]) }
                default: break
                }
            }
        }
    }

    mutating func expanded(_ raw: String, splits: Bool = true) -> [String] {
        var expander = ShellExpander(variables)
        let fields = expander.fields(of: raw, splits: splits)
        variables = expander.variables
        return fields
    }

    mutating func text(of raw: String) -> String { expanded(raw, splits: false).joined(separator: " ") }

    // MARK: Lists and compound commands

    /// Commands up to one of the closing words, which stays. - Returns: the status of the last, nil where it cannot be told.
    mutating func list(_ run: inout ShellRun, until closing: Set<String>, live: Bool) throws(ScenarioErrors) -> Bool? {
        var status: Bool? = true
        while run.position < run.tokens.count {
            steps += 1
            guard steps < Self.stepLimit else {
                throw launchFault(run.place, "", "the script takes more than \(Self.stepLimit) steps", "import the command that it ends in")
            }
            if case .control(let symbol) = run.token.kind {
                if closing.contains(symbol) { return status }
                if symbol == ")" || symbol == ";;" { return status }
                if symbol != "(" {
                    run.position += 1
                    continue
                }
            }
            if let word = run.word, closing.contains(word) || ShellRun.closers.contains(word) { return status }
            status = try chain(&run, live: live)
        }
        return status
    }

    /// Commands joined by `&&`, `||` and `|`.
    private mutating func chain(_ run: inout ShellRun, live: Bool) throws(ScenarioErrors) -> Bool? {
        var status = try command(&run, live: live)
        while run.position < run.tokens.count, case .control(let symbol) = run.token.kind, ["&&", "||", "|"].contains(symbol) {
            run.position += 1
            while run.position < run.tokens.count, case .control("\n") = run.token.kind { run.position += 1 }
            guard run.position < run.tokens.count else { return status }
            switch symbol {
            case "&&":
                let isNext = live && status == true
                let next = try command(&run, live: isNext)
                status = status == true ? next : status
            case "||":
                let isNext = live && status == false
                let next = try command(&run, live: isNext)
                status = status == false ? next : status
            default: _ = try command(&run, live: live)
            }
        }
        return status
    }

    private mutating func command(_ run: inout ShellRun, live: Bool) throws(ScenarioErrors) -> Bool? {
        switch run.token.kind {
        case .control("("):
            run.position += 1
            let status = try list(&run, until: [")"], live: live)
            try run.expect(")")
            return status
        case .arithmetic(let text):
            run.position += 1
            return live ? arithmetic(text) : nil
        case .word(let raw):
            switch raw {
            case "if": return try conditional(&run, live: live)
            case "for": return try loop(&run, live: live)
            case "while", "until":
                let place = run.place
                run.position += 1
                _ = try list(&run, until: ["do"], live: false)
                try run.expect("do")
                _ = try list(&run, until: ["done"], live: false)
                try run.expect("done")
                if live { remarks.append("\(place): a loop with a condition is passed over") }
                return nil
            case "case": return try choice(&run, live: live)
            case "{":
                run.position += 1
                let status = try list(&run, until: ["}"], live: live)
                try run.expect("}")
                return status
            case "function":
                run.position += 1
                return try definition(&run)
            case "!":
                run.position += 1
                return try command(&run, live: live).map { !$0 }
            default:
                if run.position + 2 < run.tokens.count, case .control("(") = run.tokens[run.position + 1].kind,
                    case .control(")") = run.tokens[run.position + 2].kind
                {
                    return try definition(&run)
                }
            }
        default: break
        }
        return try simple(&run, live: live)
    }

    mutating func arithmetic(_ text: String) -> Bool? {
        let bare = ShellMark.bare(text).filter { !$0.isWhitespace }
        if let match = bare.wholeMatch(of: /([A-Za-z_][A-Za-z0-9_]*)(\+|-|\*|\/)?=([^=].*)/) {
            let expression = match.2.map { "\(match.1)\($0)(\(match.3))" } ?? String(match.3)
            variables.set(String(match.1), [self.text(of: "$((\(expression)))")])
            return true
        }
        let value = self.text(of: "$((\(bare)))")
        return Int(value).map { $0 != 0 }
    }

    private mutating func conditional(_ run: inout ShellRun, live: Bool) throws(ScenarioErrors) -> Bool? {
        let place = run.place
        run.position += 1
        var isOpen = live
        while true {
            let condition = try list(&run, until: ["then"], live: isOpen)
            try run.expect("then")
            let isTaken = isOpen && condition == true
            if isOpen, condition == nil { remarks.append("\(place): the condition cannot be told from the file and counts as not true") }
            _ = try list(&run, until: ["elif", "else", "fi"], live: isTaken)
            if isTaken { isOpen = false }
            switch run.word {
            case "elif": run.position += 1
            case "else":
                run.position += 1
                _ = try list(&run, until: ["fi"], live: isOpen)
                try run.expect("fi")
                return nil
            default:
                try run.expect("fi")
                return true
            }
        }
    }

    private mutating func loop(_ run: inout ShellRun, live: Bool) throws(ScenarioErrors) -> Bool? {
        let place = run.place
        run.position += 1
        let name = run.word ?? ""
        run.position += 1
        var values: [String] = []
        while run.position < run.tokens.count, run.word != "do" {
            if let raw = run.word, raw != "in", live { values += expanded(raw) }
            run.position += 1
        }
        try run.expect("do")
        let body = run.position
        guard live, !values.isEmpty, values.count <= 1000, !values.contains(where: ShellMark.hasUnknown) else {
            _ = try list(&run, until: ["done"], live: false)
            try run.expect("done")
            if live { remarks.append("\(place): a loop over what cannot be told is passed over") }
            return nil
        }
        for value in values {
            run.position = body
            variables.set(name, [value])
            _ = try list(&run, until: ["done"], live: true)
        }
        try run.expect("done")
        return true
    }

    private mutating func choice(_ run: inout ShellRun, live: Bool) throws(ScenarioErrors) -> Bool? {
        let place = run.place
        run.position += 1
        let subject = live ? ShellMark.bare(text(of: run.word ?? "")) : ""
        run.position += 1
        try run.expect("in")
        var isOpen = live
        if isOpen, let why = variables.reason(subject) {
            remarks.append("\(place): the case depends on \(why); none of its branches is taken")
            isOpen = false
        }
        while true {
            run.skipLines()
            if run.word == "esac" { break }
            var patterns: [String] = []
            while run.position < run.tokens.count {
                if case .control(")") = run.token.kind { break }
                if let raw = run.word { patterns.append(ShellMark.bare(text(of: raw))) }
                run.position += 1
            }
            try run.expect(")")
            let isTaken = isOpen && patterns.contains { shellMatches(Array(subject), Array($0)) }
            _ = try list(&run, until: [";;", "esac"], live: isTaken)
            if isTaken { isOpen = false }
            if run.position < run.tokens.count, case .control(";;") = run.token.kind { run.position += 1 }
        }
        try run.expect("esac")
        return true
    }

    private mutating func definition(_ run: inout ShellRun) throws(ScenarioErrors) -> Bool? {
        let name = run.word ?? ""
        run.position += 1
        if run.position < run.tokens.count, case .control("(") = run.token.kind { run.position += 2 }
        run.skipLines()
        let start = run.position
        _ = try command(&run, live: false)
        functions[name] = Array(run.tokens[start..<run.position]) + [ShellToken(kind: .control("\n"), line: run.place.line)]
        return true
    }
}

/// A position among tokens.
struct ShellRun {
    let tokens: [ShellToken]
    let file: String
    var position = 0

    static let closers: Set<String> = ["then", "elif", "else", "fi", "do", "done", "esac", "}"]

    init(tokens: [ShellToken], file: String) { (self.tokens, self.file) = (tokens, file) }

    var token: ShellToken { tokens[position] }
    var place: LaunchPlace { LaunchPlace(file: file, line: (position < tokens.count ? tokens[position] : tokens.last)?.line ?? 1) }
    var word: String? {
        guard position < tokens.count, case .word(let raw) = tokens[position].kind else { return nil }
        return raw
    }

    mutating func skipLines() {
        while position < tokens.count, case .control("\n") = tokens[position].kind { position += 1 }
    }

    mutating func expect(_ wanted: String) throws(ScenarioErrors) {
        skipLines()
        if word == wanted {
            position += 1
            return
        }
        if position < tokens.count, case .control(wanted) = tokens[position].kind {
            position += 1
            return
        }
        throw launchFault(place, "", "\"\(wanted)\" is missing here", "the script ends, or goes on, before it; check it with bash -n")
    }
}
