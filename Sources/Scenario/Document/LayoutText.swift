import Plan

extension Scenario {
    /// The scenario as YAML with the layout, micro-batch and recomputation of a job in place of its own.
    public func yaml(with job: Job) -> String {
        let layout = job.layout
        var settings = [
            "layout.tensor=\(layout.tensor)", "layout.pipeline=\(layout.pipeline)", "layout.virtual=\(layout.virtual)",
            "layout.context=\(layout.context)", "layout.expert=\(layout.expert)", "layout.expert_tensor=\(layout.expertTensor)",
            "layout.data=auto", "layout.sequence_parallel=\(layout.sequenceParallel)", "layout.zero=\(layout.zero)",
            "training.micro_batch=\(job.training.microBatch)",
        ]
        // A schedule and a deal of layers mean something under a pipeline only.
        if layout.pipeline > 1 {
            settings.append("layout.schedule=\(layout.schedule.rawValue)")
            let layers = layout.stageLayers.map { "[\($0.map(String.init).joined(separator: ", "))]" }
            settings.append("layout.stage_layers=\(layers ?? layout.stageDeal.rawValue)")
        }
        switch job.training.recompute {
        case .none: settings.append("training.recompute=none")
        case .selective: settings.append("training.recompute=selective")
        case .full: settings.append("training.recompute=full")
        case .auto: settings.append("training.recompute=auto")
        case .layers(let count): settings.append("training.recompute={layers: \(count)}")
        case .modules, .perRank: break
        }
        guard let tree else { return "" }
        let document = ScenarioDocument(name: name, tree: tree, mayReadFiles: true)
        let removed = layout.pipeline > 1 ? [] : ["layout.schedule", "layout.stage_layers"]
        return (try? document.laying(settings, removing: removed))?.yaml ?? document.yaml
    }
}
