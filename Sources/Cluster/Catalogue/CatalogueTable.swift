import Quantities

/// Part of the catalogue as rows of text, for printing.
public struct CatalogueTable: Sendable, Hashable {
    /// Parts of the catalogue.
    public enum Section: String, Sendable, CaseIterable { case gpus, links, nodes, clusters }
    /// [columns]
    public var header: [String]
    /// [rows][columns of `header`]
    public var rows: [[String]]
}

extension Catalogue {
    /// - Throws: `CatalogueError` when a data file cannot be read.
    public static func table(_ section: CatalogueTable.Section) throws(CatalogueError) -> CatalogueTable {
        switch section {
        case .gpus:
            let header = ["gpu", "generation", "units", "bf16", "fp8", "nvfp4", "memory", "bandwidth", "power", "source"]
            return CatalogueTable(header: header, rows: try accelerators().map(row))
        case .links:
            let header = ["link", "fabric", "bandwidth", "latency", "source"]
            return CatalogueTable(
                header: header,
                rows: try links().map { [$0.name, $0.fabric.rawValue, $0.bandwidth.description, $0.latency.description, $0.source] })
        case .nodes:
            let header = ["node", "gpu", "gpus", "domain", "intra", "network", "power", "source"]
            return CatalogueTable(header: header, rows: try nodes().map(row))
        case .clusters:
            let header = ["cluster", "gpu", "gpus", "nodes", "intra", "network", "source"]
            var rows: [[String]] = []
            for spec in try clusterPresets() {
                rows.append([
                    spec.name, spec.accelerator.name, "\(spec.gpus)", "\(spec.nodes)", spec.intraNode.name,
                    spec.interNode.map(text) ?? "none", try source(ofPreset: spec.name),
                ])
            }
            return CatalogueTable(header: header, rows: rows)
        }
    }

    private static func row(_ device: Accelerator) -> [String] {
        let peaks = [Precision.bf16, .fp8, .nvfp4].map { precision in
            device.peaks[precision].map { "\(significant($0 / 1e12)) TF" } ?? "-"
        }
        return [device.name, device.generation.rawValue, "\(device.computeUnits)"] + peaks
            + [device.memory.description, device.memoryBandwidth.description, device.boardPower.description, device.source]
    }
    private static func row(_ node: NodeType) -> [String] {
        [
            node.name, node.accelerator.name, "\(node.gpus)", "\(node.domain)", node.intraNode.name, text(node.interNode),
            node.power.description,
            node.source,
        ]
    }
    private static func text(_ network: InterNode) -> String { "\(network.nicsPerNode) x \(network.link.name)" }
}
