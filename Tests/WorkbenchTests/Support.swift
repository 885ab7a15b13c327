import Foundation
import Testing

@testable import Workbench

/// A workbench as it would stand behind a server on this machine.
struct Bench {
    static let port = 8765
    static let scenario = """
        # A small job.
        model: {preset: llama2-7b}   # of Meta
        cluster: {preset: a100-node}
        layout:
          zero: 3
        training: {global_batch: 16, micro_batch: 1, sequence: 2048, steps: 100}
        prices: {gpu_hour: 2.00 USD/h}

        """
    let workbench: Workbench

    init(_ settings: ServerSettings = ServerSettings(), limits: Limits = Limits()) throws {
        workbench = try Workbench(settings, jobs: 2, limits: limits)
        workbench.listens(on: Self.port)
    }

    func post(_ path: String, _ body: [String: Any], headers: [String: String] = [:]) throws -> Reply {
        try post(path, String(decoding: JSONSerialization.data(withJSONObject: body), as: UTF8.self), headers: headers)
    }

    func post(_ path: String, _ body: String, headers: [String: String] = [:]) throws -> Reply { ask("POST", path, headers, body) }

    func get(_ path: String, _ headers: [String: String] = [:]) -> Reply { ask("GET", path, headers) }

    func ask(_ method: String, _ path: String, _ headers: [String: String] = [:], _ body: String = "") -> Reply {
        let parts = path.split(separator: "?", maxSplits: 1).map(String.init)
        return workbench.answer(
            Ask(
                method, parts[0], query: parts.count > 1 ? parts[1] : "",
                headers: ["host": "127.0.0.1:\(Self.port)"].merging(headers) { $1 }, body: Array(body.utf8)))
    }
}

extension Reply {
    var object: [String: Any] { (try? JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]) ?? [:] }
    var errors: [[String: Any]] { object["errors"] as? [[String: Any]] ?? [] }
    subscript(header: String) -> String? { headers.first { $0.name == header }?.value }
}
