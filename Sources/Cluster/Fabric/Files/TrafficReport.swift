import Quantities

/// A set of flows and what became of them, for people and as data.
public struct TrafficReport: Sendable {
    /// Where the flows ran, what they were, and what became of them.
    public let network: Network
    public let flows: [Flow]
    public let result: TrafficResult
    /// How full the ten hottest links were over time, where it was asked for.
    public private(set) var load: LoadOverTime?

    /// Runs the flows of a CSV text on the network of a YAML text.
    /// - Throws: `FabricFileError` for what is wrong in either.
    public init(cluster yaml: String, clusterFile: String, flows csv: String, flowsFile: String) throws(FabricFileError) {
        try self.init(cluster: yaml, clusterFile: clusterFile, flows: csv, flowsFile: flowsFile, spans: 0)
    }

    /// - Parameter spans: into so many the time is cut to see how full the ten hottest links were; 0: not asked for. It takes a second run.
    /// - Throws: `FabricFileError` for what is wrong in either file, and for too many spans.
    public init(cluster yaml: String, clusterFile: String, flows csv: String, flowsFile: String, spans: Int) throws(FabricFileError) {
        try self.init(on: try FabricFile.network(yaml: yaml, file: clusterFile), flows: csv, flowsFile: flowsFile, spans: spans)
    }

    /// As above, on a network that is there already, for instance that of a scenario.
    /// - Throws: `FabricFileError` for what is wrong in the flows, and for too many spans.
    public init(on network: Network, flows csv: String, flowsFile: String, spans: Int = 0) throws(FabricFileError) {
        self.network = network
        flows = try FlowsCSV.flows(csv: csv, file: flowsFile)
        do throws(FabricError) {
            result = try network.simulate(flows)
            if spans != 0 { load = try network.load(of: flows, on: hottest, until: result.end, spans: spans) }
        } catch {
            var located = error
            // "flows[3].source" by its line.
            let parts = error.key.split(whereSeparator: { "[].".contains($0) })
            if parts.count == 3, parts[0] == "flows", let index = Int(parts[1]), let line = FlowsCSV.line(ofFlow: index, in: csv) {
                located = FabricError(key: String(parts[2]), error.message, line: line)
            }
            throw FabricFileError(file: flowsFile, errors: [located])
        }
    }

    /// `{flows: [{finish_s, bottleneck}], end_s, links: [{name, utilization}]}`; flows as given, all links that carried anything. With faults or congestion
    /// flows also say `waits: [{link, seconds}]`, and where it was asked for `over_time: {span_s, links: [{name, utilization: [...]}]}` tells how the
    /// ten hottest links were used.
    public struct Document: Encodable, Sendable {
        /// A link that held the flow back, and for how long.
        public struct Wait: Encodable, Sendable {
            /// Its name, and seconds.
            public var link: String
            public var seconds: Double
        }
        /// How full the hottest links were in equal spans of time.
        public struct OverTime: Encodable, Sendable {
            /// One link, span by span.
            public struct Link: Encodable, Sendable {
                public var name: String
                /// [spans] bytes carried over what the link could have carried.
                public var utilization: [Double]
            }
            /// Seconds of a span, and the links.
            public var span_s: Double
            public var links: [Link]
        }
        /// What became of one flow.
        public struct Flow: Encodable, Sendable {
            /// Seconds from the start of the first flow.
            public var finish_s: Double
            /// The link that held the flow back for the longest time; null where none did.
            public var bottleneck: String?
            /// Every link that held it back, the longest first.
            public var waits: [Wait]?
            private enum CodingKeys: CodingKey { case finish_s, bottleneck, waits }
            public func encode(to encoder: any Encoder) throws {
                var container = encoder.container(keyedBy: CodingKeys.self)
                try container.encode(finish_s, forKey: .finish_s)
                try container.encode(bottleneck, forKey: .bottleneck)
                try container.encodeIfPresent(waits, forKey: .waits)
            }
        }
        /// One of the hottest links.
        public struct Link: Encodable, Sendable {
            public var name: String
            /// Bytes carried over what the link could have carried until the end.
            public var utilization: Double
        }
        /// In the order of the file; then when the last was through, the hottest links, and these over time where it was asked for.
        public var flows: [Flow]
        public var end_s: Double
        public var links: [Link]
        public var over_time: OverTime?
    }

    /// The report as data.
    public var document: Document {
        Document(
            flows: flows.indices.map {
                Document.Flow(
                    finish_s: result.finish[$0], bottleneck: result.bottleneck[$0].map(network.name(ofLink:)),
                    waits: result.waits.isEmpty
                        ? nil : result.waits[$0].map { Document.Wait(link: network.name(ofLink: $0.link), seconds: $0.seconds) })
            },
            end_s: result.end,
            links: result.carried.indices.filter { result.carried[$0] > 0 }.map {
                Document.Link(name: network.name(ofLink: $0), utilization: result.utilization[$0])
            },
            over_time: load.map { load in
                .init(
                    span_s: load.span,
                    links: load.links.indices.map { .init(name: network.name(ofLink: load.links[$0]), utilization: load.utilization[$0]) })
            })
    }

    /// The ten links used most that carried anything.
    public var hottest: [Int] {
        result.utilization.indices.sorted { (result.utilization[$1], $0) < (result.utilization[$0], $1) }.prefix(10)
            .filter { result.carried[$0] > 0 }
    }

    /// A row of marks a link, from ' ' (idle) to '#' (full), over the time of the traffic.
    private func strips(_ load: LoadOverTime) -> String {
        let marks = Array(" .:-=+*%@#")
        var table = TextTable(["link", "0 s to \(fixed(result.end, decimals: 6)) s, full is #"], left: [0, 1])
        for (link, values) in zip(load.links, load.utilization) {
            let strip = values.map { String(marks[max(0, min(9, Int(($0 * 9).rounded())))]) }.joined()
            table.add([network.name(ofLink: link), "|\(strip)|"])
        }
        return "\n" + table.text
    }

    /// The first `rows` flows, the ten hottest links, and the end.
    public func table(rows: Int = 40) -> String {
        var table = TextTable(["flow", "start s", "source", "destination", "bytes", "finish s", "rate", "bottleneck"], left: [7])
        for (index, flow) in flows.prefix(max(0, rows)).enumerated() {
            let seconds = result.finish[index] - flow.start
            let rate = seconds > 0 && flow.bytes > 0 ? (try? Bandwidth(baseValue: flow.bytes / seconds).description) ?? "" : ""
            table.add([
                "\(index)", fixed(flow.start, decimals: 9), "\(flow.source)", "\(flow.destination)", significant(flow.bytes, digits: 12),
                fixed(result.finish[index], decimals: 9), rate, result.bottleneck[index].map(network.name(ofLink:)) ?? "-",
            ])
        }
        var text = table.text
        if flows.count > rows { text += "... and \(flows.count - rows) more flows\n" }
        var links = TextTable(["link", "utilization", "carried"], left: [0])
        for link in hottest {
            let carried = (try? Bytes(baseValue: result.carried[link]).description) ?? ""
            links.add([network.name(ofLink: link), fixed(100 * result.utilization[link], decimals: 1) + " %", carried])
        }
        text += "\n" + links.text
        if let load { text += strips(load) }
        return text + "\n\(flows.count) flows, \(network.hostCount) hosts, end \(fixed(result.end, decimals: 9)) s\n"
    }
}

/// Columns of equal width, numbers to the right.
struct TextTable {
    private var rows: [[String]]
    private let left: Set<Int>

    init(_ header: [String], left: Set<Int>) {
        rows = [header]
        self.left = left
    }

    mutating func add(_ row: [String]) { rows.append(row) }

    var text: String {
        let widths = (rows.first ?? []).indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        var text = ""
        for row in rows {
            let cells = row.enumerated().map { column, cell in
                let space = String(repeating: " ", count: widths[column] - cell.count)
                return left.contains(column) ? cell + space : space + cell
            }
            var line = cells.joined(separator: "  ")
            while line.hasSuffix(" ") { line.removeLast() }
            text += line + "\n"
        }
        return text
    }
}
