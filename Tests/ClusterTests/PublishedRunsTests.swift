import Foundation
import Testing

@testable import Cluster

/// Every published run names a cluster that the catalogue holds and degrees that can be placed on it.
@Suite struct PublishedRunsTests {
    @Test(.enabled(if: SharedTables.exists("truth"), "needs ../shared/truth/*.csv"))
    func everyRunHasAClusterAndAPlacement() throws {
        let folder = SharedTables.root.appending(path: "truth")
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".csv") }.sorted()
        var rows = 0
        for file in files {
            for row in try SharedTables.rows("truth/\(file)") {
                func number(_ key: String) -> Int { row[key].flatMap(Int.init) ?? 1 }
                let hardware = try #require(row["hardware"])
                let network = try #require(row["inter_node"])
                let (spec, warnings) = try ClusterSpec.measured(
                    hardware: hardware, gpus: number("gpus"), gpusPerNode: number("gpus_per_node"), interNode: network)
                #expect(warnings.isEmpty == (network != "unknown"), "\(row["id"] ?? ""): \(warnings)")
                #expect(spec.gpus % spec.domain == 0, "\(row["id"] ?? "")")
                let degrees = ParallelDegrees(
                    tensor: number("tensor"), context: number("context"), expert: number("expert"), expertTensor: number("expert_tensor"),
                    data: number("data"), pipeline: number("pipeline"))
                let placement = try Placement.packed(degrees, spec)
                let model = CollectiveModel(cluster: spec)
                for kind in ParallelKind.allCases where kind != .pipeline {
                    let shape = placement.shape(kind)
                    let t = model.seconds(.allGather, bytes: 1e8, group: shape)
                    #expect(shape.ranks == 1 ? t == 0 : t > 1e-5 && t < 1, "\(row["id"] ?? "") \(kind) \(shape) \(t)")
                }
                rows += 1
            }
        }
        #expect(rows > 400)
    }
}
