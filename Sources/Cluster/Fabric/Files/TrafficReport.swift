import Quantities

/// A set of flows and what became of them, for people and as data.
public struct TrafficReport: Sendable {
    public let network: Network
    public let flows: [Flow]
    public let result: TrafficResult

    /// Runs the flows of a CSV text on the network of a YAML text.
    /// - Throws: `FabricFileError` for what is wrong in either.
    public init(cluster yaml: String, clusterFile: String, flows csv: String, flowsFile: String) throws(FabricFileError) {
        network = try FabricFile.network(yaml: yaml, file: clusterFile)
        flows = try FlowsCSV.flows(csv: csv, file: flowsFile)
        do { result = try network.simulate(flows) } catch { throw FabricFileError(file: flowsFile, errors: [error]) }
    }

    /// `{flows: [{finish_s, bottleneck}], end_s, links: [{name, utilization}]}`; flows as given, all links that carried anything.
    public struct Document: Encodable, Sendable {
        public struct Flow: Encodable, Sendable {
            public var finish_s: Double
            /// The link that held the flow back for the longest time; null where none did.
            public var bottleneck: String?
            private enum CodingKeys: CodingKey { case finish_s, bottleneck }
            public func encode(to encoder: any Encoder) throws {
                var container = encoder.container(keyedBy: CodingKeys.self)
                try container.encode(finish_s, forKey: .finish_s)
                try container.encode(bottleneck, forKey: .bottleneck)
            }
        }
        public struct Link: Encodable, Sendable {
            public var name: String
            /// Bytes carried over what the link could have carried until the end.
            public var utilization: Double
        }
        public var flows: [Flow]
        public var end_s: Double
        public var links: [Link]
    }

    public var document: Document {
        Document(
            flows: flows.indices.map {
                Document.Flow(finish_s: result.finish[$0], bottleneck: result.bottleneck[$0].map(network.name(ofLink:)))
            },
            end_s: result.end,
            links: result.carried.indices.filter { result.carried[$0] > 0 }.map {
                Document.Link(name: network.name(ofLink: $0), utilization: result.utilization[$0])
            })
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
        let hottest = result.utilization.indices.sorted { (result.utilization[$1], $0) < (result.utilization[$0], $1) }.prefix(10)
        var links = TextTable(["link", "utilization", "carried"], left: [0])
        for link in hottest where result.carried[link] > 0 {
            let carried = (try? Bytes(baseValue: result.carried[link]).description) ?? ""
            links.add([network.name(ofLink: link), fixed(100 * result.utilization[link], decimals: 1) + " %", carried])
        }
        text += "\n" + links.text
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
