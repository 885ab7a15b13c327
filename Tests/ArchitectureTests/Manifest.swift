import Foundation

/// Package.swift as far as the order of modules goes. The text is read rather than asked of SwiftPM, which would wait for the running build.
struct Manifest {
    struct Target {
        enum Kind: String, CaseIterable {
            case library = ".target(", executable = ".executableTarget(", system = ".systemLibrary(", test = ".testTarget("
        }
        var kind: Kind
        var name: String
        /// Names of other targets.
        var targets: [String]
        /// Products of packages, which are imported under the same name.
        var products: [String]
    }
    /// In the order of the file.
    var targets: [Target]

    init(text: String) {
        let code = text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            line.drop { $0 == " " }.hasPrefix("//") ? "" : String(line)
        }.joined(separator: "\n")
        var found: [(at: String.Index, target: Target)] = []
        for kind in Target.Kind.allCases {
            var from = code.startIndex
            while let opening = code.range(of: kind.rawValue, range: from..<code.endIndex) {
                from = opening.upperBound
                let body = Manifest.balanced(code, after: opening.upperBound)
                guard let name = body.firstMatch(of: /name:\s*"([^"]+)"/)?.1 else { continue }
                var dependencies = ""
                if let list = body.range(of: "dependencies: [") {
                    dependencies = Manifest.balanced(String(body[list.upperBound...]), after: nil, open: "[", close: "]")
                }
                let products = dependencies.matches(of: /\.product\(name:\s*"([^"]+)"/).map { String($0.1) }
                let plain = dependencies.replacing(/\.product\([^)]*\)/, with: "")
                let targets = plain.matches(of: /"([^"]+)"/).map { String($0.1) }
                found.append((opening.lowerBound, Target(kind: kind, name: String(name), targets: targets, products: products)))
            }
        }
        targets = found.sorted { $0.at < $1.at }.map(\.target)
    }

    /// The text up to the bracket that closes the one just opened.
    private static func balanced(_ text: String, after start: String.Index?, open: Character = "(", close: Character = ")") -> String {
        var depth = 1
        var end = start ?? text.startIndex
        let begin = end
        while end < text.endIndex {
            if text[end] == open { depth += 1 }
            if text[end] == close { depth -= 1 }
            if depth == 0 { break }
            end = text.index(after: end)
        }
        return String(text[begin..<end])
    }
}

/// An import that a module may not make, or a dependency that points upwards.
struct Fault: Hashable, CustomStringConvertible {
    enum Kind: String { case undeclared, upward, unknown }
    var kind: Kind
    var place: String
    var module: String
    var description: String { "\(place): \(kind.rawValue) \(module)" }
}

extension Manifest {
    /// What the operating system and the toolchain bring.
    static let system: Set<String> = ["Foundation", "FoundationEssentials", "Glibc", "Dispatch", "Synchronization", "Darwin"]

    /// Declared dependencies that stand below the target that names them, or nowhere.
    func faultsOfOrder() -> [Fault] {
        var above: Set<String> = []
        var faults: [Fault] = []
        let all = Set(targets.map(\.name))
        for target in targets {
            for name in target.targets where !above.contains(name) {
                faults.append(Fault(kind: all.contains(name) ? .upward : .unknown, place: "Package.swift, \(target.name)", module: name))
            }
            above.insert(target.name)
        }
        return faults
    }

    /// Imports of the files of a target that it does not declare, or that stand below it.
    func faults(importing imports: [(module: String, place: String)], target name: String) -> [Fault] {
        guard let index = targets.firstIndex(where: { $0.name == name }) else {
            return [Fault(kind: .unknown, place: "Sources/\(name)", module: name)]
        }
        let above = Set(targets[..<index].map(\.name))
        let local = Set(targets.map(\.name))
        let declared = Set(targets[index].targets + targets[index].products)
        return imports.compactMap { module, place in
            if Manifest.system.contains(module) || module == "Testing" && targets[index].kind == .test { return nil }
            if local.contains(module), !above.contains(module) { return Fault(kind: .upward, place: place, module: module) }
            if !declared.contains(module) { return Fault(kind: .undeclared, place: place, module: module) }
            return nil
        }
    }
}

/// Modules that Swift source imports, with the line. Comments and texts over several lines are passed over.
func imports(in source: String) -> [(module: String, line: Int)] {
    var result: [(module: String, line: Int)] = []
    var comment = 0
    var quoted = false
    for (number, line) in source.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
        if line.components(separatedBy: "\"\"\"").count % 2 == 0, comment == 0 {
            quoted.toggle()
            continue
        }
        if quoted { continue }
        let inside = comment > 0
        comment += line.components(separatedBy: "/*").count - line.components(separatedBy: "*/").count
        comment = max(0, comment)
        if inside { continue }
        let pattern =
            /^\s*(?:@\w+(?:\([^)]*\))?\s+)*(?:(?:public|package|internal|fileprivate|private)\s+)?import\s+(?:(?:struct|class|enum|protocol|func|var|let|typealias)\s+)?([A-Za-z_][A-Za-z0-9_]*)/
        if let match = line.firstMatch(of: pattern) { result.append((String(match.1), number + 1)) }
    }
    return result
}
