import Foundation
import Quantities

/// A value of the file beside the path of its key.
struct Item {
    let tree: Tree
    let path: String

    func child(_ entry: Tree.Entry) -> Item { Item(tree: entry.value, path: path.isEmpty ? entry.key : "\(path).\(entry.key)") }
    func element(_ index: Int, _ tree: Tree) -> Item { Item(tree: tree, path: "\(path)[\(index)]") }
}

/// What reading a file gathers: every fault, remarks on defaults; and where names are looked up.
struct Reader {
    let library: Library
    /// Whether a scenario may name files; one that came over a network may not.
    let mayReadFiles: Bool
    private(set) var errors: [ScenarioError] = []
    private(set) var warnings: [String] = []
    /// What a unit of another currency is worth in USD, as the file says.
    var exchange: [String: Double] = [:]
    /// Paths of other files that were named, as they are opened.
    private(set) var files: [String] = []
    /// What values that can be written in several ways say, by the path of their key.
    private(set) var meanings: [String: String] = [:]

    init(library: Library, mayReadFiles: Bool = true) { (self.library, self.mayReadFiles) = (library, mayReadFiles) }

    mutating func report(_ place: Place, _ path: String, _ reason: String, _ suggestion: String) {
        errors.append(
            ScenarioError(file: place.file, line: place.line, column: place.column, keyPath: path, reason: reason, suggestion: suggestion))
    }
    mutating func report(_ item: Item, _ reason: String, _ suggestion: String) { report(item.tree.place, item.path, reason, suggestion) }
    mutating func remark(_ warning: String) { warnings.append(warning) }

    /// The file that a value names, beside the one in which it stands.
    mutating func path(_ item: Item, example: String) -> String? {
        guard let name = item.scalar("a path", example: example, &self), allowsFile(item) else { return nil }
        let path = sibling(name, of: item.tree.place)
        files.append(path)
        return path
    }

    /// Reports a value that names a file where none may be read.
    mutating func allowsFile(_ item: Item) -> Bool {
        if !mayReadFiles {
            report(item, "no file is read here", "write its content as keys, or run orrery with the file on the command line")
        }
        return mayReadFiles
    }

    /// Notes what a value says: a number in base units, to twelve digits, since units and per cent round in the last ones.
    mutating func note(_ item: Item, _ value: Double) { meanings[item.path] = String(format: "%.11e", value) }
    mutating func note(_ item: Item, word: String) { meanings[item.path] = word }

    /// - Parameter example: of a right value, where the error knows none.
    mutating func report(_ item: Item, _ error: QuantityError, example: String) {
        report(item, error.reason, error.suggestion.isEmpty ? "write for instance \(example)" : error.suggestion)
    }
}

/// "did you mean …?", or all that is allowed where nothing is near.
func suggestion(for name: String, in candidates: [String]) -> String {
    if let close = nearest(name, in: candidates) { return "did you mean \"\(close)\"?" }
    guard !candidates.isEmpty else { return "none is known" }
    let shown = candidates.prefix(24).joined(separator: ", ")
    return "known: \(shown)\(candidates.count > 24 ? ", ... (\(candidates.count) in all)" : "")"
}
