import Cluster
import Foundation

/// A place where flows run, as both programs are told it.
struct Place {
    var name: String
    /// Ours: the text of a cluster file.
    var yaml: String
    /// SimGrid's: the driver's word, and the file of a graph.
    var word: String
    var graph: String?
    var hosts: Int

    func network() throws -> Network { try FabricFile.network(yaml: yaml, file: name) }
}

/// SimGrid, run by Benchmarks/SimGrid/driver.cpp.
struct Peer {
    /// `full` solves all shares at each event; `lazy` is the default, which leaves rates stale (docs/fabric.md).
    enum Mode: String { case full, lazy }

    struct Run {
        /// [flows] seconds; empty for a ring.
        var finish: [Double] = []
        var end = 0.0
        /// Wall seconds of the simulation alone.
        var seconds = 0.0
        var peakBytes = 0.0
    }

    var driver: String
    /// Latency first, weighted max-min by 1/latency, no corrections for TCP; events apart by more than 1e-12 s are two.
    private static let options = [
        "--cfg=surf/precision:1e-12", "--cfg=network/model:CM02", "--cfg=network/TCP-gamma:0", "--cfg=network/crosstraffic:0",
        "--log=root.thres:error",
    ]
    private static let full = ["--cfg=network/optim:Full", "--cfg=network/maxmin-selective-update:no"]

    func flows(_ flows: [Flow], on place: Place, _ mode: Mode) throws -> Run {
        let file = temporary("flows")
        defer { try? FileManager.default.removeItem(atPath: file) }
        let rows = flows.map { "\($0.start) \($0.source) \($0.destination) \($0.bytes)\n" }
        try Data(rows.joined().utf8).write(to: URL(fileURLWithPath: file))
        return try run(["flows", try word(place), file], flows.count, mode)
    }

    func ring(bytes: Double, on place: Place, _ mode: Mode) throws -> Run { try run(["ring", try word(place), "\(bytes)"], 0, mode) }

    private func word(_ place: Place) throws -> String {
        guard let graph = place.graph else { return place.word }
        let file = temporary("graph")
        try Data(graph.utf8).write(to: URL(fileURLWithPath: file))
        return "graph:\(file)"
    }

    private func temporary(_ name: String) -> String {
        FileManager.default.temporaryDirectory.appendingPathComponent("orrery-\(name)-\(UUID().uuidString)").path
    }

    private func run(_ arguments: [String], _ flows: Int, _ mode: Mode) throws -> Run {
        let text = try output(of: driver, arguments + Self.options + (mode == .full ? Self.full : []))
        var result = Run(finish: [Double](repeating: .nan, count: flows))
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.count == 3, words[0] == "finish", let index = Int(words[1]), let time = Double(words[2]) {
                result.finish[index] = time
            }
            if words.count == 6, words[0] == "run_s" {
                result.seconds = Double(words[1]) ?? .nan
                result.end = Double(words[3]) ?? .nan
                result.peakBytes = Double(words[5]) ?? .nan
            }
        }
        guard result.seconds > 0, !result.finish.contains(where: \.isNaN) else {
            throw Failure("\(driver) left flows without an end: \(arguments)")
        }
        return result
    }
}

struct Failure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// What a program prints.
func output(of program: String, _ arguments: [String]) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw Failure("\(program) ended with status \(process.terminationStatus)") }
    return String(decoding: data, as: UTF8.self)
}
