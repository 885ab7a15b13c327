/// What stands between `$((` and `))`, over whole numbers; nil where it is no arithmetic, divides by zero or overflows.
struct ShellArithmetic {
    private let text: [Character]
    private var position = 0
    private let variable: (String) -> Int?

    private init(_ text: String, _ variable: @escaping (String) -> Int?) {
        self.text = text.filter { !$0.isWhitespace }
        self.variable = variable
    }

    static func value(_ text: String, variable: @escaping (String) -> Int?) -> Int? {
        guard !text.contains(/\w\s+\w/) else { return nil }
        var parser = ShellArithmetic(text, variable)
        guard parser.text.count <= 1000, let value = parser.choice(), parser.position == parser.text.count else { return nil }
        return value
    }

    private mutating func accept(_ symbol: String) -> Bool {
        guard text[position...].starts(with: symbol) else { return false }
        position += symbol.count
        return true
    }

    private mutating func choice() -> Int? {
        guard let condition = level(0) else { return nil }
        guard accept("?") else { return condition }
        guard let yes = choice(), accept(":"), let no = choice() else { return nil }
        return condition != 0 ? yes : no
    }

    private static let levels: [[String]] = [["||"], ["&&"], ["==", "!="], ["<=", ">=", "<", ">"], ["+", "-"], ["*", "/", "%"]]

    private mutating func level(_ depth: Int) -> Int? {
        guard depth < Self.levels.count else { return power() }
        guard var left = level(depth + 1) else { return nil }
        while true {
            // "**" is no product.
            if depth == 5, text[position...].starts(with: "**") { return left }
            guard let symbol = Self.levels[depth].first(where: { text[position...].starts(with: $0) }) else { return left }
            position += symbol.count
            guard let right = level(depth + 1), let result = Self.apply(symbol, left, right) else { return nil }
            left = result
        }
    }

    private static func apply(_ symbol: String, _ a: Int, _ b: Int) -> Int? {
        func exact(_ result: (partialValue: Int, overflow: Bool)) -> Int? { result.overflow ? nil : result.partialValue }
        switch symbol {
        case "+": return exact(a.addingReportingOverflow(b))
        case "-": return exact(a.subtractingReportingOverflow(b))
        case "*": return exact(a.multipliedReportingOverflow(by: b))
        case "/": return b == 0 ? nil : exact(a.dividedReportingOverflow(by: b))
        case "%": return b == 0 ? nil : exact(a.remainderReportingOverflow(dividingBy: b))
        case "==": return a == b ? 1 : 0
        case "!=": return a != b ? 1 : 0
        case "<": return a < b ? 1 : 0
        case ">": return a > b ? 1 : 0
        case "<=": return a <= b ? 1 : 0
        case ">=": return a >= b ? 1 : 0
        case "&&": return a != 0 && b != 0 ? 1 : 0
        default: return a != 0 || b != 0 ? 1 : 0
        }
    }

    private mutating func power() -> Int? {
        guard let base = unary() else { return nil }
        guard accept("**") else { return base }
        guard let exponent = power(), (0...62).contains(exponent) else { return nil }
        var result = 1
        for _ in 0..<exponent {
            guard let next = Self.apply("*", result, base) else { return nil }
            result = next
        }
        return result
    }

    private mutating func unary() -> Int? {
        if accept("-") { return unary().flatMap { Self.apply("-", 0, $0) } }
        if accept("+") { return unary() }
        if accept("!") { return unary().map { $0 == 0 ? 1 : 0 } }
        if accept("(") {
            guard let inner = choice(), accept(")") else { return nil }
            return inner
        }
        let start = position
        while position < text.count, text[position].isLetter || text[position].isNumber || "_$".contains(text[position]) { position += 1 }
        let word = String(text[start..<position].filter { $0 != "$" })
        guard let first = word.first else { return nil }
        return first.isNumber ? Int(word) : variable(word)
    }
}
