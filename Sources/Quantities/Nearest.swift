/// The candidate nearest to a mistyped name by edit distance, for "did you mean"; nil when none is near enough to be what was meant.
/// Case, spaces, `_` and `-` count for nothing. Ties go to the first candidate.
/// - Complexity: O(candidates x name x candidate).
public func nearest(_ name: String, in candidates: [String]) -> String? {
    let wanted = folded(name)
    guard !wanted.isEmpty, wanted.count <= 200 else { return nil }
    var best: (distance: Int, name: String)?
    for candidate in candidates {
        let other = folded(candidate)
        // A name of which only a part was typed ("h100") is worth more than its bare distance says.
        let within = wanted.count >= 3 && Array(other.prefix(wanted.count)) == wanted
        let distance = within ? min(2, editDistance(wanted, other)) : editDistance(wanted, other)
        if distance < best?.distance ?? (max(2, wanted.count / 2) + 1) { best = (distance, candidate) }
    }
    return best?.name
}

private func folded(_ text: String) -> [Character] { text.lowercased().filter { $0 != "_" && $0 != "-" && $0 != " " }.map { $0 } }

/// Steps of `editDistance` between two names, of which case, spaces, `_` and `-` count for nothing.
public func editDistance(of a: String, _ b: String) -> Int { editDistance(folded(a), folded(b)) }

/// Insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b` (Damerau 1964, in the form of optimal string alignment).
func editDistance(_ a: [Character], _ b: [Character]) -> Int {
    guard !a.isEmpty, !b.isEmpty else { return max(a.count, b.count) }
    var before = [Int](repeating: 0, count: b.count + 1)
    var previous = Array(0...b.count)
    for i in 1...a.count {
        var row = [i] + [Int](repeating: 0, count: b.count)
        for j in 1...b.count {
            row[j] = min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1))
            if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] { row[j] = min(row[j], before[j - 2] + 1) }
        }
        (before, previous) = (previous, row)
    }
    return previous[b.count]
}
