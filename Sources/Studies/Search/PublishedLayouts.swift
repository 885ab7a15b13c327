import Fidelity
import Plan
import Planner
import Quantities
import Scenario

/// Layouts that were measured, beside what the planner finds for their jobs.
public struct PublishedLayouts: Sendable {
    /// A measured run as `validate` predicts it: what its table leaves open is what the framework needed to run.
    public struct Published: Sendable {
        public var run: MeasuredRun
        /// With the open settings taken.
        public var job: Job
        var choice: LayoutChoice
        /// Step time as predicted; nil where it cannot be played.
        public var seconds: Double?
        public var fits: Bool
        /// Rows of the tables with this job and layout.
        public var rows = 1

        init(_ run: MeasuredRun, _ data: CalibrationData) throws(PreparationError) {
            let prepared = try PreparedRun(run, data: data)
            self.run = prepared.run
            job = prepared.plan.job
            // What was run did fit, however little it left free; the planner may do the same.
            job.layout.memoryMargin = 0
            choice = LayoutChoice(of: job)
            seconds = try? prepared.seconds()
            fits = prepared.plan.memory.fits
        }
    }

    /// A job that several rows may share, with the layouts that were run of it.
    fileprivate struct Group {
        var job: Job
        var runs: [Published]
    }

    public struct Row: Sendable {
        public var published: Published
        public var space: Int
        public var best: RankedLayout?
        public var bestJob: Job?
        /// Seconds of the published layout as predicted, and whether it is said to fit.
        public var own: Double? { published.seconds }
        public var fits: Bool { published.fits }
        public var isListed: Bool
        /// Listed without being told of.
        public var isEnumerated: Bool
        public var seconds: Double
        public var isProven: Bool
        public var isBeaten: Bool { own.map { own in best.map { $0.value <= own } ?? false } ?? false }
        public var holds: Bool { isListed && fits && isBeaten }
    }

    public var rows: [Row]
    /// Jobs that the rows share.
    public var jobs: Int
    /// Runs that cannot be modelled, with the reason.
    public var skipped: [String]

    /// Runs by everything but their layout; of runs with one layout the first stands for all.
    fileprivate static func groups(_ runs: [Published]) -> [Group] {
        var groups: [Group] = []
        var places: [Job: Int] = [:]
        for run in runs {
            var bare = run.job
            bare.model.name = ""
            bare.layout = Layout()
            bare.layout.overlap = run.job.layout.overlap
            bare.training.microBatch = 1
            bare.training.recompute = .none
            let place = places[bare] ?? groups.count
            if place == groups.count {
                places[bare] = place
                groups.append(Group(job: run.job, runs: []))
            }
            if let known = groups[place].runs.firstIndex(where: { $0.choice == run.choice }) {
                groups[place].runs[known].rows += 1
            } else {
                groups[place].runs.append(run)
            }
        }
        return groups
    }
}

extension Study {
    /// Would the planner have found the layouts that were measured, or better ones?
    /// - Parameters:
    ///   - settings: how long and how thoroughly each job is searched; its threads are the study's.
    ///   - found: told the rows of each job as soon as they are known.
    /// - Throws: `Fault` where a space is empty, or what `found` throws.
    public func publishedLayouts(
        _ runs: [MeasuredRun], settings: SearchSettings = SearchSettings(), constraints: SearchConstraints = SearchConstraints(),
        found: ([PublishedLayouts.Row]) throws -> Void = { _ in }
    ) throws -> PublishedLayouts {
        var published: [PublishedLayouts.Published] = []
        var answer = PublishedLayouts(rows: [], jobs: 0, skipped: [])
        for run in runs {
            do throws(PreparationError) { published.append(try .init(run, data)) } catch { answer.skipped.append("\(run.id): \(error)") }
        }
        let groups = PublishedLayouts.groups(published)
        answer.jobs = groups.count
        var settings = settings
        settings.jobs = jobs
        // As validate predicts them.
        settings.network = .alphaBeta
        for (index, group) in groups.enumerated() {
            let rows = try rows(of: group, settings, constraints)
            try found(rows)
            answer.rows += rows
            progress(index + 1, groups.count)
        }
        return answer
    }

    private func rows(
        of group: PublishedLayouts.Group, _ settings: SearchSettings, _ constraints: SearchConstraints
    ) throws(Fault) -> [PublishedLayouts.Row] {
        let choices = group.runs.map(\.choice)
        var constraints = constraints
        // What the authors ran is a schedule that their stack has.
        var schedules = constraints.schedules ?? group.job.offeredSchedules
        for choice in choices where !schedules.contains(choice.schedule) { schedules.append(choice.schedule) }
        constraints.schedules = schedules
        let space = SearchSpace(job: group.job, constraints: constraints, others: choices)
        let result = try Planner.search(space, objective: .time, data: data, settings: settings)
        let best = result.ranked.first
        return group.runs.map { published in
            PublishedLayouts.Row(
                published: published, space: result.space, best: best, bestJob: best.map { space.job($0.choice) },
                isListed: space.choices.contains(published.choice), isEnumerated: space.enumeratedChoices.contains(published.choice),
                seconds: result.seconds, isProven: result.isProven)
        }
    }
}
