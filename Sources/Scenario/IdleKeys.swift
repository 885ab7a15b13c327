import Plan
import Workload

/// Keys that are written although nothing depends on them in this scenario. Those of the software and the layout are remarked on by the plan.
enum IdleScenarioKeys {
    /// A remark on each, with the reason.
    static func remarks(_ job: Job, _ tree: Tree) -> [String] {
        func isWritten(_ path: String) -> Bool { tree.entry(at: path.split(separator: ".").map(String.init)) != nil }
        let isTransformer = job.model.kind == .transformer
        let keys: [(path: String, isIdle: Bool, why: String)] = [
            ("model.image_size", isTransformer, "the model reads tokens, not pictures"),
            ("model.norm_bias", isTransformer && job.model.norm != .layer, "the model's norms are RMS norms, which have gains only"),
            (
                "cluster.storage", tree.entry(at: ["conditions", "checkpoint"]) == nil,
                "no checkpoints are written; conditions.checkpoint says when"
            ),
            (
                "simulate.detail", true,
                "every level of detail gives the same step; a trace shows stages, and layers where they are gathered one by one"
            ),
            (
                "cluster.host", job.layout.offload == .none && isWritten("cluster.host"),
                "nothing is offloaded; layout.offload says what is"
            ),
        ]
        var remarks = keys.filter { $0.isIdle && isWritten($0.path) }.map { "\($0.path) changes nothing: \($0.why)" }
        if case .scalar("rail_optimized", _)? = tree.entry(at: ["cluster", "inter_node", "topology", "kind"])?.value.content {
            remarks.append(
                "cluster.inter_node.topology.kind rail_optimized: a fat tree with a plane for each port of a node, which is the default")
        }
        return remarks
    }
}
