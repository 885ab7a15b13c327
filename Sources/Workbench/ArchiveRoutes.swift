import Archive
import Foundation
import Quantities

extension Route {
    /// The archive is shown and not changed: what the page computes while somebody types is not kept.
    static let archiveRoutes: [Route] = [
        Route(
            method: "GET", path: "/api/archive", summary: "What was computed before, the newest 200: orrery archive list --json.",
            answer: "Entries without scenario and result.", failures: [404],
            handle: { workbench, _, _ in
                var filter = RunArchive.Filter()
                filter.limit = 200
                return .json(.array(try workbench.reading { try $0?.list(filter) ?? [] }.map(\.json)))
            }),
        Route(
            method: "GET", path: "/api/archive/{id}", summary: "One entry with scenario and result: orrery archive show.",
            answer: "The entry.", failures: [404],
            handle: { workbench, _, parameters in .json(try workbench.entry(parameters["id"]).document) }),
        Route(
            method: "GET", path: "/api/archive/{id}/diff/{other}", summary: "What differs between two entries: orrery archive diff --json.",
            answer: "Keys and figures.", failures: [404],
            handle: { workbench, _, parameters in
                .json(ArchiveDifference(try workbench.entry(parameters["id"]), try workbench.entry(parameters["other"]), least: 1e-4).json)
            }),
    ]
}

extension Workbench {
    /// - Parameter body: gets nil where nothing was kept yet.
    fileprivate func reading<Value>(_ body: (RunArchive?) throws -> Value) throws -> Value {
        guard let archive else { throw Refusal(404, "there is no archive", suggestion: "start the server without ORRERY_ARCHIVE=off") }
        do {
            return try body(FileManager.default.fileExists(atPath: archive) ? RunArchive(path: archive) : nil)
        } catch let error as ArchiveError { throw Refusal(404, "the archive cannot be read: \(error.reason)") }
    }

    fileprivate func entry(_ id: String?) throws -> ArchiveEntry {
        guard let number = id.flatMap({ Int64($0) }), let entry = try reading({ try $0?.entry(number) }) else {
            throw Refusal(404, "there is no such entry", suggestion: "see /api/archive")
        }
        return entry
    }
}
