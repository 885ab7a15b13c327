import Foundation

/// Third-party measurements that are read from beside the project and not part of it: `../shared` from the project's root, or $ORRERY_SHARED.
enum SharedTables {
    static let root: URL = {
        if let path = ProcessInfo.processInfo.environment["ORRERY_SHARED"] { return URL(filePath: path) }
        let project = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        return project.deletingLastPathComponent().appending(path: "shared")
    }()
    static let multinode = "kernels/nccl_tests_tables/all_reduce_multinode.csv"
    static let collectives = "kernels/collectives_and_ep.csv"
    static let constants = "kernels/collective_constants.csv"
    static func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: root.appending(path: path).path) }

    /// Rows of a CSV file by column name; fields may be quoted.
    static func rows(_ path: String) throws -> [[String: String]] {
        let text = try String(contentsOf: root.appending(path: path), encoding: .utf8)
        var header: [String] = []
        var result: [[String: String]] = []
        for line in text.split(whereSeparator: \.isNewline) {
            var fields = [""]
            var quoted = false
            for character in line {
                switch character {
                case "\"": quoted.toggle()
                case "," where !quoted: fields.append("")
                default: fields[fields.count - 1].append(character)
                }
            }
            if header.isEmpty {
                header = fields
            } else {
                result.append(Dictionary(zip(header, fields), uniquingKeysWith: { first, _ in first }))
            }
        }
        return result
    }
}

/// Median and 90th percentile of relative errors.
struct ErrorSummary {
    var errors: [Double] = []
    mutating func add(predicted: Double, measured: Double) { errors.append(abs(predicted / measured - 1)) }
    func quantile(_ q: Double) -> Double {
        let sorted = errors.sorted()
        guard !sorted.isEmpty else { return .nan }
        return sorted[min(sorted.count - 1, Int((q * Double(sorted.count)).rounded(.down)))]
    }
    var text: String {
        let (median, p90) = ((quantile(0.5) * 1000).rounded() / 10, (quantile(0.9) * 1000).rounded() / 10)
        return "\(errors.count) points, median \(median) %, p90 \(p90) %"
    }
}
