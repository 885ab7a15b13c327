import Quantities
import Simulation
import Studies

extension RunAnswer {
    /// The timeline as trace events (JSON object format of the Chromium trace viewer), which ui.perfetto.dev and chrome://tracing open.
    /// A process is a pipeline stage, a thread one of its streams; times are microseconds with nanosecond digits. O(n log n) in spans.
    /// - Returns: UTF-8 text. Equal timelines give equal bytes.
    public func trace() -> [UInt8] {
        let tracks = TimelineTracks(result.timeline)
        var writer = JSONWriter(layout: .compact)
        writer.bytes.reserveCapacity(128 * (result.timeline.count + tracks.count) + 512)
        writer.append("{\"displayTimeUnit\":\"ms\",\"otherData\":")
        writer.write(
            .object([
                ("scenario", .string(scenario)), ("hash", .string(hash)), ("version", .string(version)), ("seed", .unsigned(seed)),
            ]), depth: 0)
        writer.append(",\"traceEvents\":[")
        var first = true
        var previousRank: Int?
        for track in tracks.tracks {
            if track.rank != previousRank {
                metadata("process_name", value: "stage \(track.rank)", track, into: &writer, first: &first)
                sortIndex("process_sort_index", track.rank, track, into: &writer, first: &first)
                previousRank = track.rank
            }
            metadata("thread_name", value: track.stream, track, into: &writer, first: &first)
            sortIndex("thread_sort_index", track.thread, track, into: &writer, first: &first)
        }
        for track in tracks.tracks {
            for index in track.spans {
                event(result.timeline[index], thread: track.thread, into: &writer, first: &first)
            }
        }
        writer.append("\n]}\n")
        return writer.bytes
    }

    private func open(_ writer: inout JSONWriter, _ first: inout Bool) {
        writer.append(first ? "\n" : ",\n")
        first = false
    }

    private func metadata(
        _ name: String, value: String, _ track: TimelineTracks.Track, into writer: inout JSONWriter, first: inout Bool
    ) {
        open(&writer, &first)
        writer.append("{\"ph\":\"M\",\"pid\":\(track.rank),\"tid\":\(track.thread),\"name\":\"\(name)\",\"args\":{\"name\":")
        writer.append(quoted: value)
        writer.append("}}")
    }

    private func sortIndex(
        _ name: String, _ value: Int, _ track: TimelineTracks.Track, into writer: inout JSONWriter, first: inout Bool
    ) {
        open(&writer, &first)
        writer.append(
            "{\"ph\":\"M\",\"pid\":\(track.rank),\"tid\":\(track.thread),\"name\":\"\(name)\",\"args\":{\"sort_index\":\(value)}}")
    }

    private func event(_ span: Span, thread: Int, into writer: inout JSONWriter, first: inout Bool) {
        open(&writer, &first)
        writer.append("{\"ph\":\"X\",\"pid\":\(span.rank),\"tid\":\(thread),\"ts\":\(microseconds(span.startNS))")
        writer.append(",\"dur\":\(microseconds(span.durationNS)),\"cat\":\"\(span.activity.rawValue)\",\"name\":")
        writer.append(quoted: span.label)
        writer.append("}")
    }
}

/// Whole nanoseconds as microseconds with three digits, exactly.
func microseconds(_ nanoseconds: Int64) -> String {
    let digits = String(nanoseconds.magnitude % 1000)
    return (nanoseconds < 0 ? "-" : "") + String(nanoseconds.magnitude / 1000) + "." + String(repeating: "0", count: 3 - digits.count)
        + digits
}

/// A timeline sorted into tracks: by rank, then streams with `compute` first and the others by name.
struct TimelineTracks {
    struct Track {
        var rank: Int
        var stream: String
        /// Position of the stream among those of its rank, from 1.
        var thread: Int
        /// Indices of the timeline in order of start, the longer first where two start together.
        var spans: [Int]
    }
    let tracks: [Track]
    var count: Int { tracks.count }

    init(_ timeline: [Span]) {
        struct Key: Hashable {
            var rank: Int
            var stream: String
        }
        var byKey: [Key: [Int]] = [:]
        for (index, span) in timeline.enumerated() { byKey[Key(rank: span.rank, stream: span.stream), default: []].append(index) }
        let keys = byKey.keys.sorted {
            ($0.rank, $0.stream.hasPrefix("compute") ? 0 : 1, $0.stream) < ($1.rank, $1.stream.hasPrefix("compute") ? 0 : 1, $1.stream)
        }
        var tracks: [Track] = []
        for key in keys {
            let spans = (byKey[key] ?? []).sorted {
                let (a, b) = (timeline[$0], timeline[$1])
                return (a.startNS, b.durationNS, $0) < (b.startNS, a.durationNS, $1)
            }
            let thread = tracks.last?.rank == key.rank ? (tracks.last?.thread ?? 0) + 1 : 1
            tracks.append(Track(rank: key.rank, stream: key.stream, thread: thread, spans: spans))
        }
        self.tracks = tracks
    }
}
