import Foundation

/// What differs between two JSON documents: key paths with both values. Numbers may differ by a relative 1e-9, since sums of floating point
/// depend on the order that a compiler or library chooses; all else must be equal.
enum JSONComparison {
    static let tolerance = 1e-9

    static func differences(_ expected: Data, _ found: Data) throws -> [String] {
        var result: [String] = []
        compare(
            try JSONSerialization.jsonObject(with: expected, options: .fragmentsAllowed),
            try JSONSerialization.jsonObject(with: found, options: .fragmentsAllowed), "", &result)
        return result
    }

    private static func compare(_ expected: Any, _ found: Any, _ path: String, _ result: inout [String]) {
        switch (expected, found) {
        case (let a as [String: Any], let b as [String: Any]):
            for key in Set(a.keys).union(b.keys).sorted() {
                let inner = path.isEmpty ? key : "\(path).\(key)"
                switch (a[key], b[key]) {
                case (let left?, let right?): compare(left, right, inner, &result)
                case (nil, _): result.append("\(inner): new")
                default: result.append("\(inner): gone")
                }
            }
        case (let a as [Any], let b as [Any]):
            guard a.count == b.count else {
                result.append("\(path): \(b.count) items, expected \(a.count)")
                return
            }
            for index in a.indices { compare(a[index], b[index], "\(path)[\(index)]", &result) }
        case (let a as NSNumber, let b as NSNumber):
            let (x, y) = (a.doubleValue, b.doubleValue)
            if x != y, abs(x - y) > tolerance * max(abs(x), abs(y)) { result.append("\(path): \(y), expected \(x)") }
        case (let a as String, let b as String):
            if a != b { result.append("\(path): \"\(b)\", expected \"\(a)\"") }
        case (is NSNull, is NSNull): break
        default: result.append("\(path): \(found), expected \(expected)")
        }
    }
}
