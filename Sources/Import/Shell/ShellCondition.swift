/// `[ ... ]`, `[[ ... ]]` and `test`: true, false, or nil where it cannot be told without the machine that the script is for.
struct ShellCondition {
    private let words: [String]
    private var position = 0
    private let variables: ShellVariables
    /// Whether words are patterns.
    private let matches: Bool

    /// - Parameter words: between the brackets, expanded.
    static func value(_ words: [String], _ variables: ShellVariables, matches: Bool) -> Bool? {
        var condition = ShellCondition(words: words.map(ShellMark.bare), variables: variables, matches: matches)
        let value = condition.any()
        return condition.position == words.count ? value : nil
    }

    private init(words: [String], variables: ShellVariables, matches: Bool) {
        (self.words, self.variables, self.matches) = (words, variables, matches)
    }

    private var next: String? { position < words.count ? words[position] : nil }

    private mutating func accept(_ symbols: String...) -> Bool {
        guard let next, symbols.contains(next) else { return false }
        position += 1
        return true
    }

    private mutating func any() -> Bool? {
        var value = all()
        while accept("||", "-o") {
            let other = all()
            value = value == true || other == true ? true : value == false && other == false ? false : nil
        }
        return value
    }

    private mutating func all() -> Bool? {
        var value = single()
        while accept("&&", "-a") {
            let other = single()
            value = value == false || other == false ? false : value == true && other == true ? true : nil
        }
        return value
    }

    /// An unset variable is empty, as the shell has it.
    private func known(_ text: String) -> String? {
        guard let why = variables.reason(text) else { return text }
        return why.hasSuffix("which the file never sets") && text.count == 1 ? "" : nil
    }

    private mutating func single() -> Bool? {
        if accept("!") { return single().map { !$0 } }
        if next == "(" {
            position += 1
            let value = any()
            return accept(")") ? value : nil
        }
        guard let left = next else { return false }
        position += 1
        if let symbol = next, let compare = Self.comparisons[symbol] {
            position += 1
            guard let right = next else { return nil }
            position += 1
            guard let a = known(left), let b = known(right) else { return nil }
            return compare(a, b, matches)
        }
        if ["-z", "-n", "-f", "-d", "-e", "-s", "-x", "-r", "-w", "-v"].contains(left), let operand = next, operand != "]" {
            position += 1
            switch left {
            case "-z": return known(operand).map(\.isEmpty)
            case "-n": return known(operand).map { !$0.isEmpty }
            case "-v": return variables.values[operand] != nil
            default: return nil
            }
        }
        return known(left).map { !$0.isEmpty }
    }

    private static func integers(_ compare: @escaping @Sendable (Int, Int) -> Bool) -> @Sendable (String, String, Bool) -> Bool? {
        { a, b, _ in
            guard let a = Int(a.isEmpty ? "0" : a), let b = Int(b.isEmpty ? "0" : b) else { return nil }
            return compare(a, b)
        }
    }

    private static let comparisons: [String: @Sendable (String, String, Bool) -> Bool?] = [
        "=": { $2 ? shellMatches(Array($0), Array($1)) : $0 == $1 }, "==": { $2 ? shellMatches(Array($0), Array($1)) : $0 == $1 },
        "!=": { !($2 ? shellMatches(Array($0), Array($1)) : $0 == $1) }, "=~": { _, _, _ in nil },
        "-eq": integers(==), "-ne": integers(!=), "-lt": integers(<), "-le": integers(<=), "-gt": integers(>), "-ge": integers(>=),
        "<": { a, b, _ in a < b }, ">": { a, b, _ in a > b },
    ]
}
