import Cluster
import Quantities

/// `cluster.pools`: nodes of several kinds of GPU.
enum PoolsSection {
    struct Draft {
        var gpu: Accelerator?
        var nodes: Int?
    }

    static var pool: Kind<Draft> {
        let section = Section<Draft>([
            Field(
                "gpu", \.gpu, .named("a GPU", example: "h100-sxm-80gb") { $0.accelerators }, default: "required", "device of these nodes"),
            Field("nodes", \.nodes, .integer(1...10_000_000, example: 2), default: "required", "machines of it"),
        ])
        return Kind("{gpu:, nodes:}", example: "{gpu: h100-sxm-80gb, nodes: 1}", children: section.entries) { item, reader in
            let before = reader.errors.count
            var draft = Draft()
            section.read(item, into: &draft, &reader)
            guard reader.errors.count == before else { return nil }
            for (key, missing, advice) in [("gpu", draft.gpu == nil, "name a device"), ("nodes", draft.nodes == nil, "write nodes: 1")]
            where missing {
                reader.report(item.tree.place, "\(item.path).\(key)", "the key is missing", advice)
            }
            return reader.errors.count == before ? draft : nil
        }
    }

    /// Pools of several devices make up the cluster: the first gives what the others leave open.
    /// - Parameter intraNode: the link that is written for all pools.
    static func read(
        _ pools: [Draft], gpusPerNode: Int?, intraNode: LinkSection.Draft, _ item: Item, _ reader: inout Reader
    ) -> (pools: [GPUPool], gpusPerNode: Int, gpus: Int) {
        for key in ["gpu", "gpus", "nodes", "preset"] where item.tree[key] != nil {
            reader.report(
                item.tree[key]?.place ?? item.tree.place, "\(item.path).\(key)", "pools say which GPUs there are, and how many",
                "remove \(key) or pools")
        }
        let perNode = gpusPerNode ?? pools.first?.gpu.flatMap { reader.library.nodes.find($0.knownAs)?.gpusPerNode } ?? 8
        var result: [GPUPool] = []
        var total = 0
        for (index, pool) in pools.enumerated() {
            guard let gpu = pool.gpu, let nodes = pool.nodes else { continue }
            let usual = reader.library.nodes.find(gpu.knownAs)
            if let own = usual?.gpusPerNode, own != perNode, gpusPerNode == nil {
                reader.report(
                    item.tree["pools"]?.place ?? item.tree.place, "\(item.path).pools[\(index)]",
                    "nodes of \(gpu.name) have \(own) GPUs, those of the first pool \(perNode)",
                    "write gpus_per_node: \(perNode), or pools of like nodes")
            }
            let intra = intraNode.isEmpty ? usual?.intraNode : nil
            guard let link = LinkSection.link(intraNode, usual: intra, item, "intra_node", &reader) else { continue }
            let (gpus, overflow) = nodes.multipliedReportingOverflow(by: perNode)
            guard !overflow, gpus <= 10_000_000 else {
                reader.report(
                    item.tree["pools"]?.place ?? item.tree.place, "\(item.path).pools[\(index)].nodes",
                    "\(nodes) nodes of \(perNode) GPUs are more than 10,000,000 GPUs", "write fewer nodes")
                continue
            }
            total += gpus
            result.append(GPUPool(accelerator: gpu, gpus: gpus, intraNode: link, host: HostSection.usual(gpu)))
        }
        return (result, perNode, total)
    }
}
