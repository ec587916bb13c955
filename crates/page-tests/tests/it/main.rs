//! What the page does for a person, in real browsers and over the real processes.

#[cfg(test)]
mod browsers;
#[cfg(test)]
mod budget;
#[cfg(test)]
mod deleting;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod export;
#[cfg(test)]
mod exported;
#[cfg(test)]
mod job_list;
#[cfg(test)]
mod late;
#[cfg(test)]
mod month;
#[cfg(test)]
mod people;
#[cfg(test)]
mod screenshots;
#[cfg(test)]
mod start;
#[cfg(test)]
mod support;
#[cfg(test)]
mod todomvc;
#[cfg(test)]
mod todos;
#[cfg(test)]
mod trouble;
