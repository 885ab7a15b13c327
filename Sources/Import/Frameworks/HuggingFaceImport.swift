import Scenario

extension LaunchBuilder {
    /// A published config.json: the model is read, everything else is assumed.
    static func huggingface(_ request: ImportRequest) throws(ScenarioErrors) -> LaunchBuilder {
        var builder = LaunchBuilder([], request)
        _ = try LaunchFile.text(request.path)
        let model = try builder.published(request.path, "the file")
        // Mixed-precision Adam keeps 16 bytes a parameter (arXiv:1910.02054); half of an 80 GB device is left for activations.
        var gpus = 8
        while Double(gpus) * 40e9 < Double(model.parameters.total) * 16, gpus < 1 << 20 { gpus *= 2 }
        builder.draft.set("layout.zero", "3", "assumed: fully sharded")
        if request.gpus == nil {
            builder.draft.assume("cluster.gpus", "\(gpus)", "as many as hold 16 bytes a parameter in half of 80 GB; give --gpus")
        }
        try builder.cluster()
        builder.draft.set(
            "training.global_batch", "\(request.batch ?? builder.gpus)",
            request.batch == nil ? "assumed: one sequence a GPU; give --batch" : "--batch")
        builder.draft.set("training.micro_batch", "1", "assumed")
        let sequence = request.sequence ?? min(4096, model.sequence > 0 ? model.sequence : 4096)
        builder.draft.set("training.sequence", "\(sequence)", request.sequence == nil ? "assumed; give --sequence" : "--sequence")
        builder.draft.set("training.recompute", "selective", "assumed")
        builder.draft.set("software.framework", "torchtitan", "assumed: a current stack of fully sharded data parallelism")
        return builder
    }
}
