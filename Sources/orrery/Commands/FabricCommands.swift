import ArgumentParser
import Cluster
import Foundation
import Quantities
import Report
import Scenario
import Studies

/// Any set of flows on any network.
struct Traffic: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Simulate flows that share the links of a network.",
        discussion: """
            FLOWS.csv has the columns start_s,source,destination,bytes; hosts count from 0. The cluster file names hosts, fairness and topology \
            (star, fat_tree, leaf_spine, torus, dragonfly, graph, nvswitch, nvl72, rail_optimized, pcie), and may name faults; or it is a network file of \
            ASTRA-sim, or a scenario. docs/fabric.md has all keys.
            """)
    @Option(help: ArgumentHelp("Description of the hosts and their network, or a scenario (YAML).", valueName: "file"), completion: .file())
    var cluster: String
    @Option(help: ArgumentHelp("Table of flows (CSV).", valueName: "file"), completion: .file()) var flows: String
    @Option(parsing: .unconditional, help: "Also tell how full the ten hottest links were in so many spans of time (a second run).")
    var timeline = 0
    @Flag(help: "Print JSON.") var json = false
    @OptionGroup var page: ReportOption

    func run() throws {
        guard (0...100_000).contains(timeline) else { throw InputError("--timeline is \(timeline); give 0 to 100000 spans") }
        let outputs = try Outputs([page.page("report.html")], inputs: [cluster, flows])
        let spans = timeline == 0 && page.directory != nil ? NetworkPage.spans : timeline
        let report = try faults {
            try TrafficReport(on: try network(cluster), flows: try contents(of: flows), flowsFile: flows, spans: spans)
        }
        try Console.output(json ? try jsonText(report.document) : report.table())
        page.write(outputs, note) { directory throws(ReportError) in
            try NetworkPage(traffic: report, title: URL(fileURLWithPath: flows).lastPathComponent).write(
                to: directory, version: programVersion)
        }
        try outputs.finish()
    }

    private func note(_ text: String) { if !json { Console.error(text) } }
}

/// The table of nccl-tests, for a simulated network.
struct Collective: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Time a collective on a simulated network, size by size.",
        discussion: """
            The cluster file is that of `orrery traffic`, or a scenario, of which the cluster section is used. Algorithm and protocol are those that NCCL would \
            choose, unless --algorithm says otherwise. --op tensor_parallel compares what one transformer block sends in 1D, 2D and 2.5D tensor parallelism.
            """)
    @Option(help: ArgumentHelp("Description of the hosts and their network, or a scenario (YAML).", valueName: "file"), completion: .file())
    var cluster: String
    @Option(help: "all_reduce, reduce_scatter, all_gather, all_to_all, broadcast, send_receive or tensor_parallel.") var op: String
    @Option(parsing: .unconditional, help: "Ranks, on the first hosts.") var ranks: Int
    @Option(
        parsing: .unconditional, help: "Smallest buffer: a number of bytes, with k, M or G for 2^10, 2^20, 2^30 as nccl-tests writes them.")
    var from = "8"
    @Option(parsing: .unconditional, help: "Largest buffer.") var to = "1G"
    @Option(parsing: .unconditional, help: "Each size is this many times the one before.") var factor = 2
    @Option(
        help: ArgumentHelp(
            "auto (what NCCL would choose), fastest, or ring, tree, halving-doubling, hierarchical, direct, chain, nvls, nvls-tree, sharp.",
            valueName: "name")) var algorithm = "auto"
    @Option(name: .customLong("protocol"), help: "Count the flags of LL or LL128 as bytes on the wire (default: none are counted).")
    var wire: String?
    @Option(parsing: .unconditional, help: "Chunks that follow each other through the pattern (default: what is usual for it).") var chunks:
        Int?
    @Option(parsing: .unconditional, help: "Independent copies that share the bytes (default: rings over nodes one a port, others one).")
    var channels: Int?
    @Option(parsing: .unconditional, help: "Tokens of the block, batch x sequence, for tensor_parallel.") var tokens = 8192
    @Option(parsing: .unconditional, help: "Hidden size of the block, for tensor_parallel.") var hidden = 8192
    @Flag(help: "Print JSON.") var json = false
    @OptionGroup var page: ReportOption

    func run() throws {
        let outputs = try Outputs([page.page("report.html")], inputs: [cluster])
        if op == "tensor_parallel" { return try runTensorParallel() }
        let operation = try named(op, "--op", CollectiveOp.allCases.map { (snakeCase($0.rawValue), $0) }, also: ["tensor_parallel"])
        let selections: [(String, CollectiveReport.Selection)] =
            [("auto", .library), ("fastest", .fastest)] + CollectiveWay.allCases.map { ($0.rawValue, .way($0)) }
        let selection = try named(algorithm, "--algorithm", selections)
        let options = CollectiveReport.Options(
            chunks: chunks, channels: channels,
            wire: try wire.map { try named($0, "--protocol", WireProtocol.allCases.map { ($0.rawValue, $0) }) })
        guard (2...1024).contains(factor) else { throw InputError("--factor is \(factor); give 2 to 1024") }
        let sizes = CollectiveReport.Sizes(from: try size(from, "--from"), to: try size(to, "--to"), factor: factor)
        guard sizes.from <= sizes.to else { throw InputError("--from \(from) is more than --to \(to); give the smaller size first") }
        let report = try faults {
            try CollectiveReport(operation, ranks: ranks, sizes: (sizes, options), on: try network(cluster), selection: selection)
        }
        try Console.output(json ? try jsonText(report.rows) : report.table)
        if page.directory != nil, let row = report.rows.last {
            let load = try faults { try report.load(of: row, spans: NetworkPage.spans) }
            page.write(outputs, note) { directory throws(ReportError) in
                try NetworkPage(collective: report, row: row, load: load).write(to: directory, version: programVersion)
            }
        }
        try outputs.finish()
    }

    private func note(_ text: String) { if !json { Console.error(text) } }

    private func runTensorParallel() throws {
        if page.directory != nil { throw InputError("--report: tensor_parallel has no page; give another --op, or leave --report out") }
        guard (1...1 << 40).contains(tokens), (1...1 << 24).contains(hidden) else {
            throw InputError("--tokens \(tokens), --hidden \(hidden): give 1 to 2^40 tokens and a hidden size of 1 to 2^24")
        }
        guard (2...4096).contains(ranks) else { throw InputError("--ranks is \(ranks); tensor_parallel takes 2 to 4096") }
        let report = try faults {
            try TensorParallelReport(TransformerBlock(tokens: tokens, hidden: hidden), ranks: ranks, on: try network(cluster))
        }
        try Console.output(json ? try jsonText(report.rows) : report.table)
    }

    private func named<Value>(_ text: String, _ option: String, _ known: [(String, Value)], also: [String] = []) throws -> Value {
        if let match = known.first(where: { $0.0 == text }) { return match.1 }
        let names = known.map(\.0) + also
        let hint = nearest(text, in: names).map { "; did you mean \($0)?" } ?? ""
        throw InputError("\(option) \(text) is not one of \(names.joined(separator: ", "))\(hint)")
    }

    /// "8", "64k", "8G": powers of two, the habit of nccl-tests; "8 GB" and "8 GiB" as everywhere else.
    private func size(_ text: String, _ option: String) throws -> Bytes {
        let powers: [Character: Int64] = ["k": 10, "K": 10, "M": 20, "G": 30]
        let shift = text.last.flatMap { powers[$0] }
        if let number = Int64(shift == nil ? text : String(text.dropLast())), number > 0, number < 1 << 32 || shift == nil {
            let (product, overflow) = number.multipliedReportingOverflow(by: 1 << (shift ?? 0))
            if !overflow { return Bytes(product) }
        }
        if let number = decimalNumber(text), number <= 0 {
            throw InputError("\(option) is \(text); give a size above zero, for instance 8 or 64k")
        }
        do { return try Bytes(parsing: text) } catch { throw InputError("\(option): \(error)") }
    }
}

/// "all_reduce" for `allReduce`.
private func snakeCase(_ name: String) -> String { name.reduce(into: "") { $0 += $1.isUppercase ? "_" + $1.lowercased() : String($1) } }

/// A file of plain hosts, the cluster of a scenario, or a cluster section alone.
private func network(_ file: String) throws -> Network {
    let text = try contents(of: file)
    // Keys that only scenarios and their clusters have tell the kinds of file apart.
    let isScenario = text.contains("model:") && text.contains("training:") || text.contains("extends:")
    let namesGPUs = text.contains(/(?m)(^|[\s{,])(gpu|gpus|preset|pools)\s*:/) && !text.contains(/(?m)(^|[\s{,])hosts\s*:/)
    guard isScenario || namesGPUs else { return try FabricFile.network(yaml: text, file: file) }
    do {
        return try Network(cluster: isScenario ? try Scenario.load(path: file).job.cluster : try Scenario.cluster(path: file))
    } catch let error as FabricError {
        throw InputError("\(file): \(error)")
    }
}

private func jsonText(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    return String(decoding: try encoder.encode(value), as: UTF8.self) + "\n"
}

private func contents(of file: String) throws(ScenarioErrors) -> String {
    try readInput(file, limit: 256 << 20)
}

/// Faults of the fabric are faults of the input.
private func faults<Value>(_ body: () throws -> Value) throws -> Value {
    do { return try body() } catch let error as FabricFileError { throw InputError("\(error)") } catch let error as FabricError {
        throw InputError("\(error)")
    }
}

/// A document with sorted keys, a line each.
private func prettyJSON(_ document: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    return String(decoding: try encoder.encode(document), as: UTF8.self) + "\n"
}
