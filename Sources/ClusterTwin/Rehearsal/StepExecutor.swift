internal import Synchronization

/// Runs the jobs of tasks one after the other on the thread that drives it, in the order in which they come: nothing happens by chance, and it is
/// known when there is nothing left to do.
final class StepExecutor: TaskExecutor {
    private let jobs = Mutex<(queue: [UnownedJob], next: Int)>(([], 0))

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        jobs.withLock { $0.queue.append(job) }
    }

    /// Runs the next job. False when there is none.
    func step() -> Bool {
        let job = jobs.withLock { jobs -> UnownedJob? in
            guard jobs.next < jobs.queue.count else { return nil }
            defer {
                jobs.next += 1
                if jobs.next == jobs.queue.count { jobs = ([], 0) }
            }
            return jobs.queue[jobs.next]
        }
        guard let job else { return false }
        job.runSynchronously(on: asUnownedTaskExecutor())
        return true
    }
}
