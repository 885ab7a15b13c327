import Foundation
import Yams

/// The measured constants of `collectives.yaml`, in seconds and bytes a second.
struct CollectiveConstants: Sendable, Decodable {
    /// alpha in us, bus bandwidth in GB/s, root term in us at 1 MB.
    struct Fit: Sendable {
        var alpha: Double
        var bandwidth: Double
        var root: Double
    }
    struct Set: Sendable, Decodable {
        var name: String
        var devices: [String]
        var generations: [Generation]
        var fabric: Fabric
        var link: [String]
        var nvlsFrom: Int
        /// Most of the buffer a second that the switch reduces, as a share of the link's nominal rate; nil where it does not reduce.
        var nvlsMost: Double?
        var send: [String]
        var source: String
        /// [op][ranks]: [alpha us, B GB/s, c us]
        var ops: [String: [Int: [Double]]]
        enum CodingKeys: String, CodingKey {
            case name, devices, generations, fabric, link, nvlsFrom = "nvls_from", nvlsMost = "nvls_most", send, source, ops
        }
    }
    struct FabricShare: Sendable, Decodable {
        var share: Double
        var stream: Double
        var source: String
    }
    struct Network: Sendable, Decodable {
        var source: String
        var latency: Double
        var tauIntra: Double
        var hop: Double
        var hopGrowth: Double
        var p: Double
        var tree: [Double]
        var root: [Double]
        var q: Double
        var reference: Double
        var low: [Double]
        var through: Double
        var ports: Double
        var pairwise: [Double]
        var fabrics: [String: FabricShare]
        enum CodingKeys: String, CodingKey {
            case source, latency, tauIntra = "tau_intra", hop, hopGrowth = "hop_growth", p, tree, root, q, reference, low, through, ports,
                pairwise, fabrics
        }
    }
    var sets: [Set]
    var network: Network

    static let parsed = Result<CollectiveConstants, CatalogueError> { () throws(CatalogueError) in
        do {
            return try YAMLDecoder().decode(CollectiveConstants.self, from: Data(PackageResources.collectives_yaml))
        } catch { throw .malformed(file: "collectives.yaml", path: "", reason: "\(error)") }
    }

    /// The set of a device: by its name, else its generation and fabric, else its fabric, else none.
    func set(for accelerator: Accelerator, over fabric: Fabric) -> Set? {
        sets.first { $0.devices.contains(accelerator.knownAs) && ($0.fabric == fabric || fabric == .unknown) }
            ?? sets.first { $0.generations.contains(accelerator.generation) && ($0.fabric == fabric || fabric == .unknown) }
            ?? sets.first { $0.fabric == fabric }
    }
}

extension CollectiveConstants.Set {
    /// The fit for `ranks`: linear in log2 n between the table's n for alpha, 1/B and c; beyond its last n alpha keeps its slope, 1/B and c stay.
    func fit(_ op: String, ranks: Int) -> CollectiveConstants.Fit? {
        guard let rows = ops[op] else { return nil }
        let known = rows.filter { $0.value.count == 3 && $0.value[1] > 0 }.keys.sorted()
        guard let first = known.first, let last = known.last, let low = known.last(where: { $0 <= ranks }) ?? known.first else {
            return nil
        }
        func row(_ n: Int) -> [Double] { rows[n] ?? [0, 1, 0] }
        let n = max(ranks, first)
        if let exact = rows[n], exact.count == 3 { return .init(alpha: exact[0], bandwidth: exact[1], root: exact[2]) }
        let beyond = low == last
        let a = beyond ? (known.dropLast().last ?? low) : low
        let b = beyond ? last : (known.first { $0 > n } ?? last)
        guard a != b else { return .init(alpha: row(a)[0], bandwidth: row(a)[1], root: row(a)[2]) }
        let x = (log2(Double(n)) - log2(Double(a))) / (log2(Double(b)) - log2(Double(a)))
        let alpha = row(a)[0] + x * (row(b)[0] - row(a)[0])
        let inside = min(1, x)
        let inverse = 1 / row(a)[1] + inside * (1 / row(b)[1] - 1 / row(a)[1])
        return .init(alpha: alpha, bandwidth: 1 / inverse, root: row(a)[2] + inside * (row(b)[2] - row(a)[2]))
    }
}
