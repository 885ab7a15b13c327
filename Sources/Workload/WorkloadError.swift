/// Why a model is no model. `description` says where, what is wrong and what would be right.
public enum WorkloadError: Error, Sendable, Hashable, CustomStringConvertible {
    case unknownPreset(name: String, suggestion: String?)
    /// Everything that is wrong with a shape, as "field: reason".
    case invalidArchitecture(name: String, problems: [String])
    /// A data file or `config.json` that cannot be read. `path` is the key's path, empty for the whole file.
    case malformed(file: String, path: String, reason: String)
    case unknownModelType(String, known: [String])

    public var description: String {
        switch self {
        case .unknownPreset(let name, let suggestion):
            let hint = suggestion.map { "; did you mean \"\($0)\"?" } ?? ""
            return "unknown model preset \"\(name)\"\(hint) (`orrery catalogue models` lists them)"
        case .invalidArchitecture(let name, let problems):
            return "model \"\(name)\": " + problems.joined(separator: "; ")
        case .malformed(let file, let path, let reason):
            return path.isEmpty ? "\(file): \(reason)" : "\(file): \(path): \(reason)"
        case .unknownModelType(let type, let known):
            let hint = nearest(type, in: known).map { "; did you mean \"\($0)\"?" } ?? ""
            return "model_type \"\(type)\" is not known\(hint) (known: \(known.joined(separator: ", ")))"
        }
    }
}

/// The candidate with the smallest edit distance, if it is near enough to be a slip of the pen.
func nearest(_ word: String, in candidates: [String]) -> String? {
    let best = candidates.map { ($0, editDistance(word.lowercased(), $0)) }.min { $0.1 < $1.1 }
    guard let (name, distance) = best, distance <= max(2, word.count / 3) else { return nil }
    return name
}

/// Levenshtein's distance, O(n m).
private func editDistance(_ a: String, _ b: String) -> Int {
    let left = Array(a.utf8.prefix(100))
    let right = Array(b.utf8.prefix(100))
    var row = Array(0...right.count)
    for (i, x) in left.enumerated() {
        var diagonal = row[0]
        row[0] = i + 1
        for (j, y) in right.enumerated() {
            let change = diagonal + (x == y ? 0 : 1)
            diagonal = row[j + 1]
            row[j + 1] = min(change, diagonal + 1, row[j] + 1)
        }
    }
    return row[right.count]
}

/// a x b, held at Int.max instead of overflowing: shapes come from people's files.
func clampedProduct(_ a: Int, _ b: Int) -> Int {
    let (value, overflow) = a.multipliedReportingOverflow(by: b)
    return overflow ? Int.max : value
}

/// a / b rounded up; a divisor below one counts as one.
func ceilDivide(_ a: Int, _ b: Int) -> Int {
    let divisor = max(1, b)
    return a / divisor + (a % divisor > 0 ? 1 : 0)
}
