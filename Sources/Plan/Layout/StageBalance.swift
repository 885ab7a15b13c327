enum StageBalance {
    static func layers(of job: Job, virtualStages: Int) -> [Int] { StagePlacement.layersPerStage(job, stages: virtualStages) }
}
